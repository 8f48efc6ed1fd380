package model

// buckets is how many random buckets members fall into.
const buckets = 100

// BucketOf is the random bucket of a member, 0–99: the same for ever, on every
// replica, and independent of all that is known of him. A holdout of 10 % is
// whoever has a bucket below 10.
func BucketOf(member MemberID) int { return int(Mix64(uint64(member)) % buckets) }

// Mix64 spreads numbers that grow with time over all 64 bits (the finaliser of
// SplitMix64, Steele, Lea and Flood 2014).
func Mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
