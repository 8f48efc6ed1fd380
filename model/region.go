package model

// Region is a province, or a city of it, as the carrier's files name them: 广东, 深圳.
type Region struct {
	Province string
	City     string // empty: all of the province
}

// Regions are where an operator may look at people; none stands for everywhere.
type Regions []Region

// MaxRegions is how many of them one operator has.
const MaxRegions = 50

// Hold tells whether the place lies within. Of whom nobody knows where he lives is
// seen by those alone who may look everywhere.
func (r Regions) Hold(province, city string) bool {
	for _, one := range r {
		if one.Province == province && (one.City == "" || one.City == city) {
			return true
		}
	}
	return len(r) == 0
}
