// SPDX-License-Identifier: Apache-2.0

package consult

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/process"
	"bpflab/labs/lab12_3/controller"
)

// Session is a student's controller that runs.
type Session struct {
	process *process.Process
	reply   *os.File
	lines   *bufio.Reader
	asked   bool
	trouble string
}

// patience is how long an answer may take, by the guest's clock: thousands of times what one
// takes.
const patience = 200 * time.Millisecond

// maxReply bounds a line of an answer, in bytes.
const maxReply = 1 << 20

// Start starts a controller.
func Start(program string) (*Session, error) {
	reply, end, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for a controller: %w", err)
	}
	defer end.Close()
	p, err := process.Start(program, nil, end)
	if err != nil {
		reply.Close()
		return nil, err
	}
	return &Session{process: p, reply: reply, lines: bufio.NewReaderSize(reply, maxReply)}, nil
}

// Trouble says why the controller no longer answers, and is empty while it does; text is the
// beginning of what it printed then.
func (s *Session) Trouble() (trouble, text string) {
	if s.trouble == "" {
		return "", ""
	}
	return s.trouble, s.process.Text()
}

// Close ends the controller.
func (s *Session) Close() {
	s.process.Close()
	s.reply.Close()
}

// Ask hands the controller what its samplers have seen and returns a rate for each, or nil if
// it does not answer as it should: Trouble says why. It is not asked again then.
func (s *Session) Ask(intervals []controller.Interval) []float64 {
	if s.trouble != "" {
		return nil
	}
	rates, err := s.ask(intervals)
	if err == nil {
		return rates
	}
	select { // that it has ended says more than that it does not answer
	case <-s.process.Done():
	case <-time.After(process.LastWords + 10*time.Millisecond):
	}
	if s.trouble = s.process.Inspect(); s.trouble == "" {
		s.trouble = err.Error()
		s.process.Blame(s.trouble) // so that it takes no more time
	}
	return nil
}

// unread is how many bytes of answers there are that nothing was asked for.
func (s *Session) unread() (n int, err error) {
	if n = s.lines.Buffered(); n > 0 {
		return n, nil
	}
	raw, err := s.reply.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n, errors.Join(controlErr, err)
}

func (s *Session) ask(intervals []controller.Interval) ([]float64, error) {
	list := make([][4]int64, len(intervals))
	for i, v := range intervals {
		list[i] = [4]int64{int64(v.Length), int64(v.Events), int64(v.Sampled), int64(v.Busy)}
	}
	line, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	if err := s.reply.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	// What was there before the first question is taken for its answer: whether it has come yet is
	// a matter of time.
	if n, err := s.unread(); err != nil || n > 0 && s.asked {
		return nil, errors.Join(err, errors.New("it answered more than it was asked"))
	}
	s.asked = true
	if s.process.Inspect() != "" {
		return nil, errors.New("it is in trouble")
	}
	// Beside reading: a controller that reads nothing must not keep the grader waiting.
	go func() { _, _ = s.process.Write(append(line, '\n')) }()
	answer, err := s.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("it did not answer within %v", patience)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("it answered with more than %d KiB", maxReply>>10)
	case err != nil:
		return nil, errors.New("it closed the pipe for its answers")
	}
	return readAnswer(answer, len(intervals))
}
