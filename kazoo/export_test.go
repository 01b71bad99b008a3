package kazoo

// ParsePlain is the short cut of Parse.
var ParsePlain = parsePlain
