package main

// measures is everything that is measured, in the order in which it runs.
var measures = []measure{
	{"help.durable.many.64", measureHelp(many, 64, 6)},
	{"help.durable.many.256", measureHelp(many, 256, 6)},
	{"help.durable.hot.64", measureHelp(hot, 64, 12)},
	{"help.durable.hot.256", measureHelp(hot, 256, 12)},
	{"help.flushed", measureFlush},
	{"help.latency", measureLatency},
	{"help.first_touch", measureTouch},
	{"pot.open", measureOpen},
	{"pots.open", measureMillion},
	{"callback.edge", measureEdge},
	{"points.redeem", measureRedeem},
	{"callback.balance", measureBalance},
	{"intent", measureIntent},
	{"serve.rss", measureMemory},
	{"binary.size", measureSize},
	{"demo.ready", measureReady},
	{"me", measureMe},
	{"audience", measureAudience},
	{"push.send", measurePush},
	{"push.replicas", measurePushReplicas},
	{"push.pause", measurePushPause},
}
