package handler

import "github.com/danielgtaylor/huma/v2"

// operationsOf lists a path's operations by method.
func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	out := map[string]*huma.Operation{}
	for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete, "PATCH": item.Patch} {
		if op != nil {
			out[method] = op
		}
	}
	return out
}
