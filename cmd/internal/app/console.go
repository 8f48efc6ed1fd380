package app

import "kaimenhong/handler"

// ops is the domains behind the operators' API.
func (d *domains) ops(g ground, h *handler.Handlers) {
	h.OpsGate = handler.OpsGate{Operators: d.operators, People: d.audience, Gate: handler.Gate{Requests: d.request, Log: g.log}}
	h.OpsSession = handler.OpsSession{Desk: d.operators, Factor: d.operators, Secret: d.operators}
	h.OpsOperator = handler.OpsOperator{Book: d.operators, Keeper: d.operators, Switch: d.operators, Trail: d.operators}
	h.OpsAudience = handler.OpsAudience{Crowd: d.audience, Desk: d.operators}
	h.Material = handler.Material{Library: d.material}
	h.OpsCampaign = d.opsCampaign()
	h.OpsRehearsal = handler.OpsRehearsal{Stage: d.campaign, Stop: d.campaign}
	h.OpsChat = handler.OpsChat{Rules: d.rules, Writer: d.rules, Notes: d.notes}
	h.OpsMall = handler.OpsMall{
		Desk: d.mall, Shelf: d.mall, Gifts: d.mall, Pool: d.mall, Parcels: d.mall, One: d.mall, Reveals: d.operators, Places: d.audience,
	}
	h.OpsPoints = handler.OpsPoints{Hand: d.points, Book: d.points, Files: d.points, Places: d.audience}
	h.OpsReport = handler.OpsReport{Reports: d.report}
}
