package handler

import "kaimenhong/model"

// Page is part of every list's input.
type Page struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"上一页返回的 next"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

// list is one page of a list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"下一页的 cursor，没有则为最后一页"`
}

type listAnswer[T any] struct{ Body list[T] }

// listed words a page; it is never null.
func listed[F, T any](in []F, next string, err error, word func(F) T) (*listAnswer[T], error) {
	if err != nil {
		return nil, err
	}
	out := &listAnswer[T]{list[T]{Items: make([]T, 0, len(in)), Next: next}}
	for _, v := range in {
		out.Body.Items = append(out.Body.Items, word(v))
	}
	return out, nil
}

// pathID is an id within a path. It is a struct, for huma reads a bare integer as a
// number there and then refuses it: the description promises text.
type pathID struct{ model.ID }

// byID is the input of what reads one thing.
type byID struct {
	ID pathID `path:"id"`
}
