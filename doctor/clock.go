package doctor

import (
	"net/http"
	"time"
)

// tolerance is how far clocks may be apart: the Date field has seconds, and travels.
const tolerance = 5 * time.Second

// compareClock compares the clock of this machine with the Date field of an answer.
func compareClock(date, whose string, now time.Time) (string, error) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return "", skip(whose + " does not say what time it is")
	}
	apart := now.Sub(theirs).Round(time.Second)
	word := "ahead of"
	if apart < 0 {
		apart, word = -apart, "behind"
	}
	if apart > tolerance {
		return "", faultf("set the clock, by NTP for instance, on the machine that is wrong: tokens are judged to the second",
			"the clock of this machine is %v %s that of %s", apart, word, whose)
	}
	return "agrees with that of " + whose, nil
}
