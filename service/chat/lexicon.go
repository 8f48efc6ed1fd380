package chat

// concept is one idea that a word stands for; a sentence is read as the set of its
// concepts.
type concept uint8

const (
	aFee       concept = iota // 话费
	aRest                     // 余额, which may be of anything
	aArrears                  // 欠费, 停机
	aStop                     // 停机, whose cause a debt is, or something else
	aData                     // 流量
	anAllowed                 // 套餐余量, 剩余分钟: what is left of the plan
	aPlan                     // 套餐
	anOrdered                 // 已订业务, 月租
	aPoint                    // 积分
	aBill                     // 账单, 明细
	aTopUp                    // 充值, 缴费
	aFill                     // 充, 交: a top-up only with an object
	aFilled                   // 充了: it is done
	aBuy                      // 买, 办, 订
	aRedeem                   // 兑换
	aSwap                     // 换, 改, 推荐
	aUse                      // 能换什么, 怎么用: what points are good for
	aSign                     // 签到
	aPot                      // 红包, 助力
	aDeal                     // 优惠
	aNews                     // 新业务
	aService                  // 办理业务
	aHall                     // 营业厅: where, until when
	aMini                     // 小程序
	aClose                    // 注销账户, of the member
	anUnfollow                // 取消关注
	aFeedback                 // 投诉
	aHuman                    // 人工
	aBind                     // 绑定
	aCode                     // 收不到验证码
	anUnbind                  // 解绑
	aHelp                     // 帮助
	aMenu                     // 菜单
	anAsk                     // 查, 看
	aMuch                     // 多少, 几
	aLeft                     // 还剩, 还有
	aMoney                    // 钱, 元
	aPhone                    // 手机, 卡里, 账户
	aSpent                    // 花了, 扣了, 用了
	aWhere                    // 花哪了, 扣在哪
	aPast                     // 上个月, 9月
	aThisMonth                // 这个月
	aWhy                      // 为什么, 怎么这么
	aNot                      // 不想, 不是
	aTurn                     // 而是, 我要
	anAnd                     // 和, 跟
	anOther                   // 我妈
	aForeign                  // 支付宝, 信用卡: not the carrier's
	aTrouble                  // 没到账, 没信号
	aRate                     // 怎么收费, 一分钟: a price, not what is left
	aRecord                   // 充值记录
	aNumber                   // an amount
	nothing                   // a word that hides another: 不定积分, 化肥
	concepts
)

// words are the lexicon: what stands for a concept, separated by spaces. The
// longest word at a place wins, so a longer one hides what lies within it.
var words = [concepts]string{
	aFee:       "话费 电话费 手机费 通话费 花费余额 钱话费 phonebill phonecredit",
	aRest:      "余额 余款 剩余金额 balance",
	aArrears:   "欠费 欠钱 欠了 欠你们 欠多少 停机 没话费了 欠费停机 停了机 单停 双停 arrears",
	aStop:      "停机 欠费停机 停了机 单停 双停",
	aData:      "流量费 流量 上网流量 流量包 加油包 叠加包 流量余额 几个g 几g 多少g 多少兆 几兆 几个流量 data mydata dataleft mobiledata",
	anAllowed:  "余量 套餐余量 套餐使用 套餐用量 分钟数 多少分钟 几分钟电话 免费分钟 剩余分钟 通话时长 剩余通话 通话还剩 语音剩余 剩余语音 还有多少语音 语音还 短信还剩 短信还有 免费短信 剩余短信 短信剩余 通话剩余 通话分钟 打多久电话 打几分钟电话 能打多久 使用量 allowance",
	aPlan:      "老人套餐 老年套餐 套餐有哪些 套餐有什么 套餐都有什么 套餐外 有什么套餐 有哪些套餐 哪些套餐 学生套餐 套餐 资费 资费标准 plan myplan",
	anOrdered:  "办的什么业务 办的啥业务 我办的啥 办了啥 办了啥业务 开了啥业务 开了什么业务 开通的业务 开通的什么业务 月租 月租费 月费 套餐费 套餐月费 最低消费 已订业务 已开通业务 已办业务 开通了哪些 开了哪些业务 订了什么 订了哪些 办了哪些 办了什么业务 开通了什么 有没有被开通 我的业务",
	aPoint:     "用积分 花积分 积分 积分余额 points mypoints",
	aBill:      "套餐外 账单 月账单 详单 话单 清单 明细 话费账单 话费明细 账单明细 消费记录 扣费记录 扣费明细 费用明细 消费明细 消费情况 bill mybill",
	aTopUp:     "话费卡 充值卡 我要叠加包 我要加油包 我要流量包 要个流量包 要个加油包 来个流量包 来个加油包 充值 缴费 交费 充话费 交话费 缴话费 充电话费 交电话费 交手机费 充流量 充钱 交钱 续费 代充 买流量 买流量包 儲值 储值 充点话费 充点流量 充点钱 topup recharge refill",
	aFill:      "充 交 缴 冲 冲话费",
	aFilled:    "充了 交了 缴了 刚充 刚交 已经充 已经交 充的 交的 充过 冲了 缴的",
	aBuy:       "来个 来一个 买 办 订 订购 开通 办理 加 buy",
	aRedeem:    "兑换 积分兑换 积分换 积分商城 积分兑 积分抵 礼品 换礼品 兑 兑奖 兑奖品 换东西 redeem",
	aSwap:      "适合 降到 降成 降级 改成 调低 调到 最便宜 老人套餐 老年套餐 套餐有哪些 套餐有什么 套餐都有什么 划算 合适 实惠 换 改 升级 变更 降低 降档 推荐 更改 便宜 有什么套餐 有哪些套餐 哪些套餐 都有什么 换成 新办 有没有别的 学生套餐",
	aUse:       "提现 退出来 能换 可以换 能干啥 有啥用 有什么用 怎么用 咋用 怎么花 能花 当钱用 用积分 花积分 怎么换 咋换 可以当钱",
	aSign:      "签到 每日签到 签个到 签一下到 签到领积分 积分签到 打卡 每日打卡",
	aPot:       "红包 众筹红包 众筹 话费红包 流量红包 积分红包 助力 好友助力 凑红包 拆红包 抢红包 还差几个人 还差几位 差几个人 凑满 redpacket redenvelope luckymoney hongbao",
	aDeal:      "话费券 流量券 抽奖 赠送 优惠 特惠 优惠活动 活动 有活动 福利 打折 折扣 促销 优惠券 送流量 领流量 送话费 领话费 存话费送 免费领 免费流量 羊毛 满减 deals deal discount offers promotion 限时",
	aNews:      "升5g 升级5g 开通5g 新业务 最新业务 新套餐 新产品 业务推荐 推荐业务 新出 新上 newplans newplan news",
	aService:   "4g卡 5g卡 换个卡 换张卡 换手机卡 卡坏了 手机卡坏 自动充值 自动缴费 取消视频会员 退订视频会员 退订会员 视频会员包月 会员包 包月 挂失 手机丢了 手机掉了 手机被偷 手机卡丢 卡丢了 卡掉了 通话记录 通话详单 详单 家庭网 黑名单 骚扰拦截 5g怎么开 怎么开5g 开通5g 关掉5g 关闭5g 关5g puk puk码 pin码 卡被锁 卡锁了 sim卡 esim 副卡 亲情号 亲情网 校园卡 彩铃 实名 实名认证 实名登记 停机保号 复机 电子发票 增值业务 自动续费 取消自动续费 宽带续费 套餐怎么取消 套餐怎么退 套餐怎么退订 流量包怎么取消 流量包怎么退 出国怎么 出国上网 出国能用 出国漫游 出国流量 国外能用 国外怎么用 境外漫游 注销手机号 注销号码 注销手机卡 注销卡 注销宽带 注销流量包 注销套餐 注销业务 手机号注销 号码注销 手机卡注销 卡注销 取消套餐 取消这个套餐 取消我的套餐 套餐取消 退套餐 退掉套餐 取消流量包 退流量包 流量包退 把流量包退 流量包取消 发票 开发票 流量开关 关闭流量 关流量 开流量 转赠 转给 提醒 办业务 办理业务 业务办理 常用业务 常用功能 常用服务 补卡 补办卡 换卡 漫游 国际漫游 呼叫转移 来电显示 宽带 办宽带 改密码 服务密码 密码 销号 销户 取消业务 退订 退订业务 过户 携号转网 业务可以办 可以办的业务 什么业务 哪些业务 services",
	aHall:      "营业厅在哪 营业厅地址 营业厅电话 营业厅位置 附近的营业厅 附近营业厅 哪里有营业厅 哪有营业厅 最近的营业厅 营业厅几点 营业厅什么时候 营业厅开门 营业厅上班 营业厅营业时间 营业时间 几点上班 几点下班 几点开门 几点关门 上班时间",
	aMini:      "小程序 小程式 miniprogram",
	aClose:     "注销 注销账户 注销账号 注销会员 账户注销 账号注销 会员注销 删除账号 删除账户 删除我的账号 删除我的账户 删号 删除我的信息 删除我的个人信息 删除我的数据 清除我的信息",
	anUnfollow: "取消关注 取关 不再关注 不想关注",
	aFeedback:  "反馈 意见反馈 意见 投诉 举报 建议 提建议 吐槽 留言 反映 反应个问题 反应问题 态度太差 态度差 feedback complaint complain suggestion",
	aHuman:     "别机器人 别让机器人 别拿机器人 不要跟机器人 不要让机器人 换人 换个人 说人话 人呢 有人没 有人在吗 有人在么 有没有人在 客服电话 热线电话 10086电话 来个人 人工 人工客服 转人工 客服 真人 找个人 找人 有人吗 活人 客服小姐姐 不要机器人 别用机器人 不想跟机器人 不想和机器人 联系客服 人工服务 接线员 human agent liveagent customerservice operator staff",
	aBind:      "绑定 绑 换绑 换个手机号 改绑 重新绑定 绑号 绑卡 关联手机 更换绑定 更换号码 换号码了 换了号码 换手机号了 换了手机号 换手机号码了 换了手机号码 换号了 绑手机 bind bindmyphone",
	aCode:      "验证码一直收不到 收不到验证码 没收到验证码 没有收到验证码 没收到短信验证码 没有收到短信验证码 收不到短信验证码 收不到短信 没收到短信 没有收到短信 短信收不到 短信没收到 短信没来 验证码收不到 验证码没收到 验证码没有收到 验证码没来 验证码没有来 验证码还没来 验证码怎么还没来 验证码怎么没来 验证码没到 验证码还没到 验证码怎么还没到 验证码过期 验证码失效 重发验证码 重新发验证码 重新发一下验证码 再发一次验证码 再发一遍验证码 重新获取验证码",
	anUnbind:   "解绑 解除绑定 取消绑定 不绑定 不想绑定 不绑了 退绑 解除关联 解绑手机 unbind",
	aHelp:      "你能干啥 你会干啥 你是机器人 你叫什么 客服您好 客服你好 帮助 使用帮助 怎么用 咋用 怎么使用 使用说明 说明 你能做什么 你会什么 你会干什么 你能干嘛 能做什么 能干嘛 能帮我做什么 会些啥 会啥 你会啥 有什么功能 指南 操作指南 新手指南 教程 help",
	aMenu:      "菜单 主菜单 目录 首页 主页 所有功能 功能列表 全部功能 menu home",
	anAsk:      "哪种 哪一种 办的 订的 买的 看一下 看一看 瞧瞧 瞅瞅 瞧一下 瞅一下 我要查 我想查 我要看 我想看 查 查询 看 看看 看下 查下 查查 查一下 查找 了解 显示 想知道 告诉我 是什么 是啥 啥 什么 哪个 哪些 check show query what whats howmuch 我的 我要 我想 帮 请问 多久 什么时候 几号 有效期 到期 过期 清零 详情 内容 包含 里有什么 情况 呢 如何",
	aMuch:      "多少 几多 好多 几块 几元 几毛 几条 几个 几兆 够不够 够吗 够用 够 howmany",
	aLeft:      "没钱 还剩 剩余 还有 剩下 剩 仲剩 仲有 用完 没用完 超了 超没超 有没有超 还在不在 可用 还能用 能用 没了吗 有没有 用到哪 left remaining",
	aMoney:     "没钱 流量费 钱 元 块 块钱",
	aPhone:     "手机 卡里 卡上 这卡 账户 账户里 账号 手机号 号码 手机里 手机卡 account",
	aSpent:     "扣了我 扣这么 扣这么多 扣那么 扣那么多 扣掉 扣走 花了 扣了 用了 消费 消费了 扣费 被扣 花多少 用掉 扣我 扣钱 收了 费用 少了",
	aWhere:     "花哪 扣在哪 用哪 花在哪 花到哪 扣到哪 都花 怎么花的 扣哪",
	aPast:      "上个月 上月 去年 前个月 上上个月 半年 历史 lastmonth 1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月 一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 一月份 二月份 三月份 四月份 五月份 六月份 七月份 八月份 九月份 十月份 十一月 十二月 1月份 2月份 3月份 4月份 5月份 6月份 7月份 8月份 9月份 10月份 11月份 12月份",
	aThisMonth: "昨天 前天 今天 今年 上周 这周 本周 每个月 每月 一个月 这个月 本月 当月 这月 thismonth",
	aWhy:       "太贵 好贵 贵 太高 涨了 涨价 为什么 为啥 为何 怎么这么 咋这么 怎么扣 怎么少 怎么用得 凭什么 怎么就",
	aNot:       "没说 没有说 没让 没叫 没想 不签 不签到 不注销 不想 不要 不是 不用 别 不查 不看 不需要 无需 不必 甭 没要 不换 不办 不充 别再 不想要 不想查 不要查 不是查 别查 不用查 dont donot not",
	aTurn:      "而是 是要 我要查 我想查 我要 我想 想查 要查 是查 就要 只要 只想 只查 改查",
	anAnd:      "和 跟 与 以及 还有 及 同 再 顺便 and",
	anOther:    "我妈 我爸 妈妈 爸爸 老妈 老爸 我娘 我爹 父母 父亲 母亲 老婆 老公 媳妇 爱人 男朋友 女朋友 男友 女友 朋友 女儿 儿子 孩子 小孩 闺女 同事 别人 人家 他人 他的 她的 我哥 我姐 我弟 我妹 爷爷 奶奶 外婆 外公 姥姥 姥爷 岳父 岳母 同学 室友 另一个号 另外一个号 我家人 家里人",
	aForeign:   "微信红包 结婚红包 婚礼红包 满月红包 支付宝红包 外卖红包 打车红包 群红包 红包群 发红包 包红包 助力车 天气 下雨 新闻 newbalance work life bank game billgates database bigdata datascience 股市 支付分 芝麻 支付宝 微信零钱 零钱 余额宝 银行 银行卡 信用卡 储蓄卡 花呗 借呗 白条 京东 淘宝 天猫 拼多多 美团 饿了么 滴滴 抖音币 医保 社保 公积金 公交卡 公交 地铁 饭卡 会员卡 购物卡 加油卡 油卡 游戏 q币 点券 王者 原神 吃鸡 英雄联盟 电费 水费 燃气 燃气费 煤气 物业 暖气 取暖 停车 股票 基金 彩票 理财 肯德基 麦当劳 汉堡 双人 儿童 午餐 早餐 晚餐 火锅 饭店 餐厅 好吃 外卖 今晚 足球 篮球 联赛 英超 西甲 中超 nba 比分 驾照 扣12分 扣分 考试 高考 网站 变现 自媒体 直播 明星 小生 塌房 客流 客流量 车流量 人流量 血流量 水流量 充电 充电宝 充气 生活费 学费 会费 人工智能 人工降雨 人工呼吸 人工授精 人工湖 多喝热水 美容 健身 酒店 机票 火车票 高铁 steam 爱奇艺 腾讯视频 会员",
	aRate:      "怎么收费 怎么算 收费标准 怎么计费 计费 一分钟 每分钟 一个g 一g 一条短信 怎么获得 怎么攒 怎么赚 怎么得 怎么来的 转让 账单日",
	aRecord:    "充值记录 缴费记录 交费记录 充值明细 缴费明细 充值历史",
	aNumber:    "十块 二十 三十 五十 一百 两百 二百 三百 五百",
	aTrouble:   "没法用 用不了 不能用 没有信号 没有网 没网络 打不了 接不到电话 接不了 上不去网 上不了 不能打 卡顿 太卡 很卡 好卡 网卡 很慢 好慢 太慢 垃圾 真坑 太坑 坑人 坑爹 坑钱 骗子 骗人 骗钱 流氓 破网 破公司 什么玩意 气死 服务差 太差 返还 退费 退款 退钱 退话费 能退 可以退 不对 多扣 扣错 算错 查不了 查不到 查不出 没到账 没到 未到账 还没到 不到账 乱扣 乱收费 无缘无故 莫名其妙 网速 没网 断网 上不了网 不能上网 没信号 信号差 信号太差 信号不好 没人修 坏了 打不通 打不出去 打不开 连不上 断了 断线 掉线 故障 骚扰电话 诈骗电话 垃圾短信",
	nothing:    "取消签到 程序员 小程序员 上班打卡 打卡机 打卡地 打卡点 网红打卡 上课签到 会议签到 不解绑 不解除绑定 不取消绑定 随便看看 随便看 不定积分 微积分 定积分 求积分 积分学 化肥 神话 司机 飞机 检查 调查 查理 人工费 建议你 溜号 还有呢 查无此人 交往 交通 交警 交朋友 冲浪 冲动 加油 办公 办法 买单 订单 看病 看书 看电影 看来 好看 看起来 换衣服 改天 交作业 几点 金融 冲刺 要不要 想不想 是不是 能不能 可不可以 差别 区别 特别 别墅 性别 级别 告别 元旦 元宵 块头 改革 改善 换季 鞋带 绑架 绑不上 和平 你和我 同意 同时 再见 充满 充分 充足 意见不合 老师",
}

// slips are words that somebody meant and did not write: other characters of the
// same sound, pinyin, its initials. They count only in a short message, where no
// other meaning is likely.
var slips = [concepts]string{
	aFee:      "花费 化费 画费 华费 划费 活费 滑费 话废 话肥 话飞 话菲 话非 画废 化废 huafei dianhuafei hf",
	aRest:     "余恶 余鹅 余而 余饿 余厄 鱼额 于额 雨额 余e yue yve",
	aData:     "流亮 流辆 流良 流两 留量 刘量 浏量 溜量 六量 柳量 硫量 流了 流粮 liuliang liuliangbao ll",
	aSpent:    "花费",
	aPlan:     "套参 套残 套惨 淘餐 桃餐 掏餐 逃餐 讨餐 陶餐 taocan tc",
	aPoint:    "机分 鸡分 基分 积份 积芬 积粉 积纷 极分 集分 jifen jf",
	aBill:     "帐单 张单 涨单 账丹 账但 账旦 账弹 帐但 帐丹 zhangdan zd",
	aTopUp:    "冲值 充直 充植 充知 重值 虫值 冲直 充只 充治 chongzhi chonghuafei cz",
	aRedeem:   "对换 队换 兑唤 积分对换 duihuan jifenduihuan",
	aPot:      "宏包 洪包 红苞 鸿包 红保 红饱 hb",
	aDeal:     "tehui youhui huodong fuli",
	aHuman:    "人公 人功 人宫 仁工 任工 客福 客伏 克服 rengong kefu zhuanrengong rg",
	aBind:     "绑订 绑钉 绑丁 邦定 帮定 榜定 棒定 bangding",
	anUnbind:  "解邦 解帮 解榜 解棒 姐绑 jiebang",
	aMenu:     "caidan 菜丹 采单",
	aHelp:     "bangzhu",
	anAsk:     "cha chaxun 茶 察 插",
	aService:  "yewu banyewu",
	aFeedback: "fankui yijian yijianfankui tousu",
}

// pinyin are the whole words that a mistyped one is compared with.
var pinyin = []struct {
	word string
	concept
}{
	{"huafei", aFee}, {"liuliang", aData}, {"taocan", aPlan}, {"jifen", aPoint}, {"zhangdan", aBill},
	{"chongzhi", aTopUp}, {"rengong", aHuman}, {"duihuan", aRedeem}, {"bangding", aBind}, {"jiebang", anUnbind},
	{"balance", aRest}, {"recharge", aTopUp}, {"chaxun", anAsk},
}
