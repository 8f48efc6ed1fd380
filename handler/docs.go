package handler

import (
	_ "embed" // the viewer
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

//go:embed docs.html
var docsPage []byte

// docs serves an API's description and the page that reads it, below a path. The
// description is written once, when every operation is there.
func docs(r *gin.Engine, api huma.API, below string) error {
	description, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return fmt.Errorf("write the API's description: %w", err)
	}
	r.GET(below+"/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", description) })
	r.GET(below+"/docs", func(c *gin.Context) {
		c.Header("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		c.Data(http.StatusOK, "text/html; charset=utf-8", docsPage)
	})
	return nil
}
