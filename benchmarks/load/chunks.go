package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// chunks holds the events of one answer, in the shape of OpenAI's chat
// completion chunks.
type chunks struct {
	first  []byte
	tokens [][]byte // one for each of the words
	finish []byte
	usage  []byte
}

const done = "data: [DONE]\n\n"

func newChunks(tokens int) chunks {
	head := fmt.Sprintf(
		`data: {"id":"chatcmpl-%029x","object":"chat.completion.chunk","created":%d,"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_b8bc95a0ac","choices":`,
		rand.Uint64(), time.Now().Unix(),
	)
	choice := func(delta, finishReason string) []byte {
		return fmt.Appendf(nil, `%s[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}`+"\n\n", head, delta, finishReason)
	}
	made := chunks{
		first:  choice(`{"role":"assistant","content":""}`, "null"),
		finish: choice("{}", `"stop"`),
		usage: fmt.Appendf(nil, `%s[],"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n",
			head, tokens, tokens+9),
	}
	for i := range words {
		made.tokens = append(made.tokens, choice(fmt.Sprintf(`{"content":%q}`, token(i)), "null"))
	}
	return made
}

func (c chunks) token(i int) []byte {
	return c.tokens[i%len(c.tokens)]
}
