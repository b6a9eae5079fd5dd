package main

import (
	"fmt"
	"strings"
)

// Each token is a space and a word, so the tokens in a text are its spaces,
// however a relay has cut or merged them.
var words = strings.Fields("the wire carries each word as soon as it is written and nobody waits for company on the way")

var (
	period = " " + strings.Join(words, " ")
	// Long enough for any piece that starts within the first period.
	answerText = strings.Repeat(period, 2+maxPiece/len(period))
)

const maxPiece = 1 << 22

func token(i int) string {
	return " " + words[i%len(words)]
}

// A checker counts the tokens of one answer and compares its text with what
// the upstream wrote.
type checker struct {
	tokens int
	offset int
}

// add takes the next piece of the answer and returns how many tokens begin in it.
func (c *checker) add(piece string) (int, error) {
	if len(piece) > maxPiece || piece != answerText[c.offset:c.offset+len(piece)] {
		return 0, fmt.Errorf("token %d: the text is not what the upstream wrote", c.tokens)
	}
	c.offset = (c.offset + len(piece)) % len(period)
	count := strings.Count(piece, " ")
	c.tokens += count
	return count, nil
}
