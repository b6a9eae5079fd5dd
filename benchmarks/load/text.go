package main

import (
	"fmt"
	"strings"
)

// Each token is a space and a word. The number of tokens in a text is therefore
// its number of spaces, regardless of how a relay splits or merges them.
var words = strings.Fields("the wire carries each word as soon as it is written and nobody waits for company on the way")

var (
	period = " " + strings.Join(words, " ")
	// Long enough for every piece that starts within the first period.
	answerText = strings.Repeat(period, 2+maxPiece/len(period))
)

const maxPiece = 1 << 22

func token(i int) string {
	return " " + words[i%len(words)]
}

// A checker counts the tokens of one answer and compares its text with the
// upstream's text.
type checker struct {
	tokens int
	offset int
}

// add checks the next piece of the answer and returns the number of tokens that start in it.
func (c *checker) add(piece string) (int, error) {
	if len(piece) > maxPiece || piece != answerText[c.offset:c.offset+len(piece)] {
		return 0, fmt.Errorf("token %d: the text is not what the upstream wrote", c.tokens)
	}
	c.offset = (c.offset + len(piece)) % len(period)
	count := strings.Count(piece, " ")
	c.tokens += count
	return count, nil
}
