package chat

// Carrier says whose subscribers the account serves.
type Carrier string

// The carriers.
const (
	ChinaMobile  Carrier = "china_mobile"
	ChinaUnicom  Carrier = "china_unicom"
	ChinaTelecom Carrier = "china_telecom"
)

// sharedCodes are commands that mean the same at every carrier and are no words.
var sharedCodes = map[string]Intent{
	"cxye": Balance, "ye": Balance, "cxhf": Balance, "cxll": Usage, "cxyl": Usage, "cxtcyl": Usage,
	"cxzd": Bill, "cxtc": Plan, "cxjf": Points, "0000": Plan,
}

// carrierCodes are the numbers that subscribers send to 10086, 10010 and 10001;
// provinces vary, so only those that are known to mean one thing are here.
var carrierCodes = map[Carrier]map[string]Intent{
	ChinaMobile:  {},
	ChinaUnicom:  {"102": Balance, "1071": Usage, "2082": Usage},
	ChinaTelecom: {"101": Balance, "102": Balance, "108": Usage},
}

// maxCode is the length of the longest code.
const maxCode = 8

func (c Carrier) code(runes []rune) (Intent, bool) {
	if len(runes) < 2 || len(runes) > maxCode || runes[0] > 0x7f {
		return "", false
	}
	if i, ok := sharedCodes[string(runes)]; ok {
		return i, true
	}
	i, ok := carrierCodes[c][string(runes)]
	return i, ok
}
