// What Go's crypto/hpke makes of questions: a JSON list on standard input, a JSON list of answers on standard output.
// A question is {op, kem, kdf, aead, key, info, aad, data}: op is "public" (key: a seed), "seal" (key: a public key) or
// "open" (key: a seed); bytes are hex digits, and what is sealed is enc followed by the ciphertext. An answer is {data},
// or {error} where Go refuses.
package main

import (
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

const encapsulated = 1120 // bytes of enc of X-Wing: ML-KEM-768's ciphertext and an X25519 key

type question struct {
	Op                   string
	Kem, Kdf, Aead       uint16
	Key, Info, Aad, Data string
}

type answer struct {
	Data  string `json:"data,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println("1.0")
		return
	}
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answers := make([]answer, len(questions))
	for i, asked := range questions {
		if data, err := say(asked); err != nil {
			answers[i].Error = err.Error()
		} else {
			answers[i].Data = hex.EncodeToString(data)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		os.Exit(1)
	}
}

func say(asked question) ([]byte, error) {
	var parts [4][]byte
	for i, text := range []string{asked.Key, asked.Info, asked.Aad, asked.Data} {
		part, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		parts[i] = part
	}
	key, info, aad, data := parts[0], parts[1], parts[2], parts[3]
	kem, err1 := hpke.NewKEM(asked.Kem)
	kdf, err2 := hpke.NewKDF(asked.Kdf)
	aead, err3 := hpke.NewAEAD(asked.Aead)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if asked.Op == "seal" {
		public, err := kem.NewPublicKey(key)
		if err != nil {
			return nil, err
		}
		enc, sender, err := hpke.NewSender(public, kdf, aead, info)
		if err != nil {
			return nil, err
		}
		sealed, err := sender.Seal(aad, data)
		return append(enc, sealed...), err
	}
	private, err := kem.NewPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if asked.Op == "public" {
		return private.PublicKey().Bytes(), nil
	}
	if len(data) < encapsulated {
		return nil, errors.New("too short")
	}
	recipient, err := hpke.NewRecipient(data[:encapsulated], private, kdf, aead, info)
	if err != nil {
		return nil, err
	}
	return recipient.Open(aad, data[encapsulated:])
}
