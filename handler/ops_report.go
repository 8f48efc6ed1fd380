package handler

import (
	"bytes"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
	"kaimenhong/service/operator"
)

type reporter interface {
	Report(ctx context.Context, campaign model.ID) (campaigns.Report, error)
}

// OpsReport shows what campaigns earned.
type OpsReport struct{ Reports reporter }

func (h OpsReport) operations(api huma.API) {
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/campaigns/{id}/report", id: "getReport", summary: "活动效果报告：先看增量与成本，再看明细", right: operator.ReadReports, errors: missing}, h.Get)
	registerOps(api, opsOperation{method: "GET", path: "/campaigns/{id}/report.xlsx", id: "exportReport", summary: "导出活动效果报告", right: operator.ExportReports, errors: missing}, h.Sheet)
}

type reportPage struct {
	Report      campaigns.Report         `json:"report" doc:"金额单位为分；uplift 中为空的指标表示数据不足"`
	Funnel      []campaigns.FunnelStep   `json:"funnel"`
	Cuts        map[campaigns.Cut]string `json:"cuts" doc:"lines 的维度名称"`
	Definitions []campaigns.Definition   `json:"definitions" doc:"每个指标的口径"`
}

type reportAnswer struct{ Body reportPage }

// Get is a report as it was computed last.
func (h OpsReport) Get(ctx context.Context, in *ByID) (*reportAnswer, error) {
	r, err := h.Reports.Report(ctx, in.id())
	if err != nil {
		return nil, err
	}
	r = ofRegions(operatorOf(ctx).Regions, r)
	return &reportAnswer{reportPage{r, r.Funnel(), campaigns.Cuts(), campaigns.Definitions}}, nil
}

// ofRegions leaves out the cities that an operator does not look after. A report knows
// cities by name alone: who has a whole province sees no city's line. The sums are
// everybody's, for a campaign is one whole, and tell of no person.
func ofRegions(regions model.Regions, r campaigns.Report) campaigns.Report {
	if len(regions) > 0 {
		r.Lines = slices.DeleteFunc(slices.Clone(r.Lines), func(l campaigns.Line) bool {
			return l.Cut == campaigns.ByCity && !slices.ContainsFunc(regions, func(one model.Region) bool { return one.City != "" && one.City == l.Name })
		})
	}
	return r
}

type sheetAnswer struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// Sheet is the report as a workbook.
func (h OpsReport) Sheet(ctx context.Context, in *ByID) (*sheetAnswer, error) {
	r, err := h.Reports.Report(ctx, in.id())
	if err != nil {
		return nil, err
	}
	r = ofRegions(operatorOf(ctx).Regions, r)
	var b bytes.Buffer
	if err := r.WriteSheet(&b); err != nil {
		return nil, err
	}
	return &sheetAnswer{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", `attachment; filename="` + r.Filename() + `"`, b.Bytes()}, nil
}
