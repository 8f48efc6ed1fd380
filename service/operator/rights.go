package operator

import "slices"

// Right is one thing that an operator may do. Every operation of the operators' API
// asks for exactly one.
type Right string

// The rights.
const (
	OwnAccount Right = "own_account" // one's own password, second factor and session

	ManageOperators Right = "operators.manage"
	ReadAudit       Right = "audit.read"

	ReadPeople   Right = "people.read"     // portraits, masked, within one's regions
	RevealPeople Right = "people.reveal"   // a number in clear, with a reason
	ReadAudience Right = "audience.read"   // segments, counts, tags, lists: no single person
	EditAudience Right = "audience.write"  // segments and tags
	ImportPeople Right = "audience.import" // files of people

	ReadMaterials   Right = "materials.read"
	EditMaterials   Right = "materials.write"
	ReviewMaterials Right = "materials.review"

	ReadRules      Right = "rules.read" // the chat's own answers to words
	EditRules      Right = "rules.write"
	ReadFeedback   Right = "feedback.read" // what members told us
	FinishFeedback Right = "feedback.finish"

	ReadCampaigns   Right = "campaigns.read"
	EditCampaigns   Right = "campaigns.write"  // draft, rehearse, hand in for review
	ReviewCampaigns Right = "campaigns.review" // approve or send back
	RunCampaigns    Right = "campaigns.run"    // schedule, release the canary, resume
	StopCampaigns   Right = "campaigns.stop"   // pause and kill

	ReviewPrizes Right = "prizes.review" // let a held prize go, or give it up

	ReadGoods    Right = "goods.read"
	EditGoods    Right = "goods.write"   // gifts, their stock and codes
	ShipGoods    Right = "goods.ship"    // parcels, masked
	ReadPoints   Right = "points.read"   // adjustments and files
	AdjustPoints Right = "points.adjust" // by hand, within a limit
	ReviewPoints Right = "points.review" // adjustments beyond it, of another
	ImportPoints Right = "points.import" // the carrier's files

	ReadReports   Right = "reports.read"
	ExportReports Right = "reports.export"
	ReadPushes    Right = "pushes.read" // what was sent to whom, and why not
)

// RightInfo is a line of the table.
type RightInfo struct {
	Right Right
	Title string
	Roles []Role
}

// everybody has a role; nobody works without one.
var everybody = []Role{Admin, Planner, Editor, Reviewer, Support, Analyst, Auditor}

// Table says which role may do what: the whole of it.
//
// Who manages accounts writes no campaigns, who writes does not review by that role,
// and anybody who answers for the house may stop one. A person may have two roles;
// his own work he still cannot review (maker ≠ checker is a condition in SQL, of
// whatever is reviewed).
var Table = []RightInfo{
	{OwnAccount, "自己的账号", everybody},

	{ManageOperators, "管理账号", []Role{Admin}},
	{ReadAudit, "查看审计记录", []Role{Admin, Auditor}},

	{ReadPeople, "查看用户画像（脱敏）", []Role{Admin, Planner, Reviewer, Support, Analyst, Auditor}},
	{RevealPeople, "查看完整手机号", []Role{Admin, Support}},
	{ReadAudience, "查看人群、标签、名单", []Role{Admin, Planner, Editor, Reviewer, Support, Analyst, Auditor}},
	{EditAudience, "编辑人群、标签", []Role{Planner, Analyst}},
	{ImportPeople, "导入用户与名单", []Role{Admin, Planner}},

	{ReadMaterials, "查看素材", everybody},
	{EditMaterials, "编辑素材", []Role{Planner, Editor}},
	{ReviewMaterials, "审核素材", []Role{Reviewer}},

	{ReadRules, "查看关键词规则", everybody},
	{EditRules, "编辑关键词规则", []Role{Planner, Editor}},
	{ReadFeedback, "查看用户意见", []Role{Admin, Support, Auditor}},
	{FinishFeedback, "处理用户意见", []Role{Admin, Support}},

	{ReadCampaigns, "查看活动", everybody},
	{EditCampaigns, "策划活动", []Role{Planner}},
	{ReviewCampaigns, "审核活动", []Role{Reviewer}},
	{RunCampaigns, "运行活动", []Role{Planner}},
	{StopCampaigns, "暂停与终止活动", []Role{Admin, Planner, Reviewer}},

	{ReviewPrizes, "处理待审的奖品", []Role{Admin, Reviewer}},

	{ReadGoods, "查看礼品", everybody},
	{EditGoods, "管理礼品与券码", []Role{Admin, Planner}},
	{ShipGoods, "发货", []Role{Admin, Support}},
	{ReadPoints, "查看积分调整与积分文件", []Role{Admin, Planner, Reviewer, Support, Analyst, Auditor}},
	{AdjustPoints, "人工调整积分", []Role{Admin, Support}},
	{ReviewPoints, "审批积分调整", []Role{Admin, Reviewer}},
	{ImportPoints, "导入积分文件", []Role{Admin, Planner}},

	{ReadReports, "查看效果报告", []Role{Admin, Planner, Editor, Reviewer, Analyst, Auditor}},
	{ExportReports, "导出效果报告", []Role{Admin, Planner, Analyst}},
	{ReadPushes, "查看推送明细", []Role{Admin, Planner, Reviewer, Support, Analyst, Auditor}},
}

// rightsOf are the rights of the roles, in the order of the table.
func rightsOf(roles []Role) []Right {
	var rights []Right
	for _, line := range Table {
		if slices.ContainsFunc(line.Roles, func(r Role) bool { return slices.Contains(roles, r) }) {
			rights = append(rights, line.Right)
		}
	}
	return rights
}
