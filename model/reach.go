package model

// Reach is how a member can be reached at this moment.
type Reach struct {
	Member   MemberID // the living one, into whom he may have been merged; 0: there is none
	Official OpenID   // in the official account; empty: never seen there
	Mini     OpenID   // in the mini-program
	Follows  bool     // the official account
	Agrees   bool     // to marketing
}
