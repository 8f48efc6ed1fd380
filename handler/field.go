package handler

import (
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// maxFields bounds how many fields a problem names.
const maxFields = 20

// noBody is all that huma says of a request without a body: it names no field.
const noBody = "request body is required"

// fieldsOf words what the validation found.
func fieldsOf(text string, errs []error) (fields []problemField) {
	if text == noBody {
		return []problemField{{Field: "body", Detail: inChinese(text)}}
	}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) || len(fields) == maxFields {
			continue
		}
		e := d.ErrorDetail()
		fields = append(fields, problemField{Field: e.Location, Detail: inChinese(e.Message)})
	}
	return fields
}

// phrases are what the validation says, by how the sentence begins; what follows is
// a number, a list or a name and is kept.
var phrases = []struct{ english, chinese string }{
	{"unexpected end of JSON", "请求内容不是完整的JSON"},
	{"invalid character", "请求内容不是正确的JSON"},
	{"unexpected property", "没有这个字段"},
	{"unknown query parameter", "没有这个参数"},
	{"expected required property ", "缺少字段 "},
	{"required ", "必须填写"},
	{"expected length >= ", "长度不能少于 "},
	{"expected length <= ", "长度不能超过 "},
	{"expected number >= ", "不能小于 "},
	{"expected number <= ", "不能大于 "},
	{"expected number > ", "应大于 "},
	{"expected number < ", "应小于 "},
	{"expected array length >= ", "项数不能少于 "},
	{"expected array length <= ", "项数不能超过 "},
	{"expected array items to be unique", "不能有重复项"},
	{"expected value to be one of ", "应为以下之一："},
	{"expected string to match pattern", "格式不正确"},
	{"expected string to be ", "格式不正确"},
	{"expected boolean", "应为 true 或 false"},
	{"expected integer", "应为整数"},
	{"expected number", "应为数字"},
	{"expected string", "应为文字"},
	{"expected array", "应为列表"},
	{"expected object", "应为对象"},
	{"invalid integer", "应为整数"},
	{"invalid ", "格式不正确"},
	{"not an id", "编号不正确"},
	{noBody, "缺少请求内容"},
}

// inChinese words one sentence of the validation.
func inChinese(message string) string {
	for _, p := range phrases {
		rest, ok := strings.CutPrefix(message, p.english)
		if !ok {
			continue
		}
		if !strings.HasSuffix(p.chinese, " ") && !strings.HasSuffix(p.chinese, "：") {
			return p.chinese
		}
		return p.chinese + strings.TrimSuffix(strings.TrimSuffix(rest, " to be present"), " parameter is missing")
	}
	return "内容不正确"
}
