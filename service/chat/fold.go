package chat

import (
	"unicode"

	"kaimenhong/model"
)

// folded is a message as the readers see it: half width, lower case, simplified,
// without spaces, punctuation and invisible runes.
type folded struct {
	runes   []rune
	clause  []uint8 // of each rune: which clause it stands in, up to 255
	parted  []bool  // of each rune: something was taken out before it
	listed  []bool  // of each rune: a 、 was taken out before it
	spoken  bool    // a letter or a digit is among the runes
	asks    bool    // a question mark was there
	symbols bool    // something visible that is no letter: emoji, punctuation
}

// fold reads at most model.MaxText bytes of s; invalid UTF-8 becomes U+FFFD, which
// no pattern has.
func fold(s string) folded {
	if len(s) > model.MaxText {
		s = s[:model.MaxText]
	}
	f := folded{runes: make([]rune, 0, len(s)), clause: make([]uint8, 0, len(s)), parted: make([]bool, 0, len(s)), listed: make([]bool, 0, len(s))}
	clause, parted, listed := uint8(0), true, false
	for _, r := range s {
		r = foldRune(r)
		if r == 0 {
			continue
		}
		if kind := kindOf(r); kind != inWord {
			parted, listed = true, listed || r == '、'
			if kind == atEnd && clause < 255 && len(f.runes) > 0 {
				clause++
			}
			f.asks = f.asks || r == '?'
			f.symbols = f.symbols || kind != blank
			continue
		}
		if r < 0x80 || isHan(r) || unicode.IsLetter(r) || unicode.IsDigit(r) {
			f.spoken = true
		} else {
			f.symbols = true
		}
		f.runes, f.clause, f.parted = append(f.runes, r), append(f.clause, clause), append(f.parted, parted)
		f.listed = append(f.listed, listed)
		parted, listed = false, false
	}
	return f
}

// foldRune returns the rune that a pattern is written in, 0 for an invisible one.
func foldRune(r rune) rune {
	switch {
	case r >= hanFirst && r <= hanLast:
		if s := simplified[r-hanFirst]; s != 0 {
			return rune(s)
		}
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	case r < 0x80:
		return r
	case r >= '！' && r <= '～':
		return foldRune(r - '！' + '!')
	case r == '　':
		return ' '
	case r >= 0x200b && r <= 0x200f, r == 0xfeff, r == 0xad, r >= 0xfe00 && r <= 0xfe0f, r == 0x2060:
		return 0
	}
	return unicode.ToLower(r)
}

type runeKind uint8

const (
	inWord runeKind = iota
	blank           // a space
	mark            // punctuation within a clause
	atEnd           // punctuation that ends a clause
)

func kindOf(r rune) runeKind {
	switch {
	case isHan(r), r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return inWord
	case r == '\n', r == '\r':
		return atEnd
	case r <= ' ' || unicode.IsSpace(r):
		return blank
	}
	switch r {
	case ',', '.', '!', '?', ';', '~', '。', '，', '！', '？', '；', '…':
		return atEnd
	}
	if r < 0x80 || unicode.IsPunct(r) || unicode.IsControl(r) {
		return mark
	}
	return inWord
}

const (
	hanFirst = 0x4e00
	hanLast  = 0x9fff
)

func isHan(r rune) bool { return r >= hanFirst && r <= hanLast }

// traditional pairs each traditional character with its simplified one. It holds
// what people say to a carrier, not the whole language: folding a sentence with it
// takes a third of a microsecond, with OpenCC's dictionaries ten, which is half of
// what reading a sentence may cost. Words that no pattern has need no folding, and
// operators' keywords pass through the same table, so one that is written in a
// character that is missing here still meets itself.
const traditional = "" +
	"話话費费餘余額额賬账帳账單单儲储積积換换兌兑綁绑訂订號号碼码機机電电流流量量" +
	"網网絡络線线聽听說说請请問问嗎吗麼么這这個个還还剩剩幾几塊块錢钱點点給给幫帮" +
	"查查詢询訊讯實实時时現现過过來来開开關关閉闭業业務务務务優优惠惠動动態态" +
	"餐餐內内國国際际漫漫遊游轉转動动語语音音視视頻频數数據据條条級级別别檢检" +
	"報报見见饋馈議议員员為为什什從从後后邊边裡里裏里臺台台台灣湾東东車车門门間间" +
	"頁页項项題题頭头顧顾願愿風风飛飞飯饭飲饮館馆馬马驗验髮发發发黨党齊齐龍龙龜龟" +
	"紅红綠绿約约級级紙纸細细終终組组結结統统經经維维緊紧總总績绩繳缴續续纏缠" +
	"買买賣卖貨货質质貴贵貸贷賀贺資资賞赏賠赔賽赛購购贈赠贊赞" +
	"認认記记許许設设訪访證证評评試试詳详誰谁課课調调談谈論论謝谢講讲讓让變变讀读" +
	"達达遠远運运進进連连適适選选遞递邏逻郵邮鄉乡醫医銀银銷销鋪铺錄录錯错鍵键鎖锁鐘钟" +
	"長长陽阳陰阴陸陆隊队階阶隨随險险難难雙双雜杂離离雲云靈灵靜静響响順顺須须預预領领" +
	"顯显類类餓饿養养魚鱼鳥鸟麗丽麥麦黃黄點点齡龄龐庞" +
	"億亿從从倉仓們们個个側侧偵侦傳传債债傷伤僅仅價价儀仪儘尽優优" +
	"兒儿兩两冊册凍冻劃划劇剧創创勞劳勢势匯汇區区協协卻却歷历壓压" +
	"參参嗎吗嘗尝嚴严園园圓圆圖图團团場场塊块壞坏執执報报壯壮夢梦夾夹奪夺奮奋" +
	"媽妈婦妇學学孫孙寧宁實实寫写審审寬宽對对導导將将專专尋寻層层屬属歲岁島岛" +
	"師师帶带幣币幫帮庫库應应廠厂廣广廳厅張张強强彈弹彙汇後后徑径復复愛爱慮虑慶庆憂忧" +
	"憑凭戲戏戶户拋抛挾挟捨舍掃扫採采揀拣揚扬換换損损搖摇撥拨擇择擊击擔担據据擴扩擺摆" +
	"敗败數数斷断於于晉晋晝昼暫暂書书會会條条東东極极構构槍枪樂乐樓楼標标樣样樹树橋桥" +
	"機机檔档欄栏權权歡欢歸归殘残殺杀氣气決决沒没況况淚泪淨净減减測测湯汤滿满漢汉潔洁" +
	"濟济濃浓灣湾為为無无煙烟熱热營营爭争爺爷牆墙獎奖獨独獲获環环產产畫画當当療疗發发" +
	"監监盤盘眾众礎础禮礼禍祸種种稱称穩稳窮穷竊窃競竞筆笔節节範范築筑簡简簽签籤签籠笼" +
	"聯联聲声職职腦脑臉脸與与舉举舊旧艱艰藍蓝藝艺藥药處处虛虚補补裝装製制複复規规覺觉" +
	"計计訴诉診诊詞词該该誤误誠诚" +
	"註注" +
	"豐丰財财責责貼贴費费賺赚" +
	"軟软較较輕轻載载輸输辦办農农" +
	"週周邀邀" +
	"錶表鐵铁鍾钟閱阅隱隐雞鸡韓韩" +
	"驚惊體体鬧闹鮮鲜麵面佔占併并係系俠侠妳你您您咧咧喫吃喺在啲的冇没嘅的睇看乜什邊边佢他"

// simplified is the table of traditional, by rune less hanFirst.
var simplified = func() *[hanLast - hanFirst + 1]uint16 {
	var table [hanLast - hanFirst + 1]uint16
	runes := []rune(traditional)
	for i := 0; i+1 < len(runes); i += 2 {
		if runes[i] != runes[i+1] {
			table[runes[i]-hanFirst] = uint16(runes[i+1])
		}
	}
	return &table
}()
