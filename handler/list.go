package handler

import "kaimenhong/model"

// Page is part of every list's input.
type Page struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"上一页返回的 next"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

// Words is part of the input of a list that is searched by name.
type Words struct {
	Words string `query:"words" maxLength:"40" doc:"名称中的文字，字母不分大小写"`
}

// searchedPage is the input of a list that is searched by name alone.
type searchedPage struct {
	Page
	Words
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

// worded words one thing, unless it could not be had.
func worded[F, T any](in F, err error, word func(F) T) (*oneAnswer[T], error) {
	if err != nil {
		return nil, err
	}
	return &oneAnswer[T]{word(in)}, nil
}

// ByID is part of the input of what is about one thing. The id is read as a string,
// for that is what the description says it is.
type ByID struct {
	Text string `path:"id" pattern:"^[1-9][0-9]{0,18}$" doc:"编号"`
}

// id is 0, which nothing has, for a number beyond 63 bits.
func (b ByID) id() model.ID {
	id, err := model.ParseID(b.Text)
	if err != nil {
		return 0
	}
	return id
}
