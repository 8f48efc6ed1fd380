package wechat

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"github.com/silenceper/wechat/v2/officialaccount/menu"

	"kaimenhong/model"
)

// Button is a button of the menu; the SDK's NewClickButton, NewViewButton,
// NewMiniprogramButton and NewSubButton make them. WeChat takes 3 at the top and
// 5 below each.
type Button = menu.Button

// MenuMatch says who sees a conditional menu; 0 matches everybody.
type MenuMatch struct {
	TagID    int64
	Platform int // 1 iOS, 2 Android, 3 others
}

// Menu is a menu as WeChat keeps it. ID is set when conditional ones exist.
type Menu struct {
	ID      string
	Buttons []Button
	Match   MenuMatch
}

// CreateMenu replaces the menu that everybody sees.
//
// developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html
func (c *Client) CreateMenu(ctx context.Context, buttons []*Button) error {
	return c.call(ctx, request{
		name: "menu_create", app: model.OfficialAccount, path: "/cgi-bin/menu/create", body: map[string]any{"button": buttons},
	}, nil)
}

// AddConditionalMenu adds a menu for some of the users and returns its id. The
// newest that matches is shown. The SDK's rule lacks tag_id.
//
// developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Personalized_menu_interface.html
func (c *Client) AddConditionalMenu(ctx context.Context, buttons []*Button, match MenuMatch) (string, error) {
	rule := map[string]string{}
	if match.TagID != 0 {
		rule["tag_id"] = strconv.FormatInt(match.TagID, 10)
	}
	if match.Platform != 0 {
		rule["client_platform_type"] = strconv.Itoa(match.Platform)
	}
	var out struct {
		ID scalar `json:"menuid"`
	}
	err := c.call(ctx, request{
		name: "menu_add_conditional", app: model.OfficialAccount, path: "/cgi-bin/menu/addconditional",
		body: map[string]any{"button": buttons, "matchrule": rule},
	}, &out)
	return string(out.ID), err
}

// DeleteConditionalMenu removes one conditional menu.
func (c *Client) DeleteConditionalMenu(ctx context.Context, id string) error {
	return c.call(ctx, request{
		name: "menu_delete_conditional", app: model.OfficialAccount, path: "/cgi-bin/menu/delconditional",
		body: map[string]string{"menuid": id},
	}, nil)
}

// menuBody is a menu in an answer, where numbers come as numbers or as text.
type menuBody struct {
	ID      scalar   `json:"menuid"`
	Buttons []Button `json:"button"`
	Rule    struct {
		TagID    scalar `json:"tag_id"`
		GroupID  scalar `json:"group_id"` // what tag_id was called
		Platform scalar `json:"client_platform_type"`
	} `json:"matchrule"`
}

func (b menuBody) menu() Menu {
	return Menu{ID: string(b.ID), Buttons: b.Buttons, Match: MenuMatch{
		TagID: cmp.Or(b.Rule.TagID, b.Rule.GroupID).value(), Platform: int(b.Rule.Platform.value()),
	}}
}

// GetMenu returns the menu that everybody sees and the conditional ones;
// ErrNotFound when none is set.
func (c *Client) GetMenu(ctx context.Context) (Menu, []Menu, error) {
	var out struct {
		Menu        menuBody   `json:"menu"`
		Conditional []menuBody `json:"conditionalmenu"`
	}
	err := c.call(ctx, request{name: "menu_get", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/menu/get"}, &out)
	conditional := make([]Menu, 0, len(out.Conditional))
	for _, m := range out.Conditional {
		conditional = append(conditional, m.menu())
	}
	return out.Menu.menu(), conditional, err
}

// DeleteMenu removes the menu and every conditional one.
func (c *Client) DeleteMenu(ctx context.Context) error {
	return c.call(ctx, request{name: "menu_delete", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/menu/delete"}, nil)
}
