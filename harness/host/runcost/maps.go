// SPDX-License-Identifier: Apache-2.0

package runcost

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bpflab/harness/job"
)

// maxMap is how many bytes a file of entries may have.
const maxMap = 8 << 20

// ReadEntries reads the entries of a map: a JSON list of objects with "key" and "value", each a number, of little-endian
// bytes; a string of hexadecimal digits, "0x0a000001", byte by byte; or a list of bytes, as numbers or "0xff", as bpftool
// map dump --json has them.
func ReadEntries(r io.Reader) (entries []job.Entry, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxMap+1))
	if err == nil && len(raw) > maxMap {
		err = fmt.Errorf("it is larger than %d bytes", maxMap)
	}
	if err != nil {
		return nil, err
	}
	var list []struct{ Key, Value json.RawMessage }
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("expected a JSON list of objects with \"key\" and \"value\": %w", err)
	}
	for i, one := range list {
		key, err1 := bytesOf(one.Key)
		value, err2 := bytesOf(one.Value)
		switch {
		case err1 != nil:
			return nil, fmt.Errorf("entry %d: its key: %w", i+1, err1)
		case err2 != nil:
			return nil, fmt.Errorf("entry %d: its value: %w", i+1, err2)
		}
		entries = append(entries, job.Entry{Key: key, Values: [][]byte{value}})
	}
	return entries, nil
}

// errForm is the error of a key or value in another form.
var errForm = errors.New(`expected a number from 0 to 18446744073709551615, a string such as "0x0a000001", or a list of bytes`)

func bytesOf(raw json.RawMessage) ([]byte, error) {
	var (
		text string
		list []json.RawMessage
	)
	switch {
	case len(raw) == 0:
		return nil, errForm
	case json.Unmarshal(raw, &text) == nil:
		digits, ok := strings.CutPrefix(text, "0x")
		out, err := hex.DecodeString(digits)
		if !ok || err != nil {
			return nil, errForm
		}
		return out, nil
	case json.Unmarshal(raw, &list) == nil:
		out := make([]byte, len(list))
		for i, one := range list {
			n, err := strconv.ParseUint(strings.Trim(string(one), `"`), 0, 8)
			if err != nil {
				return nil, errForm
			}
			out[i] = byte(n)
		}
		return out, nil
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return nil, errForm
	}
	return binary.LittleEndian.AppendUint64(nil, n), nil
}
