// SPDX-License-Identifier: Apache-2.0

package events

import "bpflab/harness/host/judge"

// hints by task, least revealing first.
var hints = map[string][]judge.Hint{
	"verifier": {
		{Text: "The report says what the rejection means, and shows the last lines of the verifier's log. `bpflab explain FILE` does the same for any program."},
		{Text: "What you reserve you must give back, on every path out: by bpf_ringbuf_submit or by bpf_ringbuf_discard. And a reservation may fail: compare it with NULL first."},
		{Text: "The registers of the traced process are the kernel's memory: ctx->args[0] is an address, to be read by bpf_probe_read_kernel, not through a pointer."},
	},
	"events": {
		{Text: "Which calls are of interest? Say it aloud: whose, which, and with what first argument. Then look at the tests that your program makes, and how wide its variables are.", For: []string{"WRONG", "missing", "none sent", "timed"}},
		{Text: "An argument is an unsigned number of 64 bits, and \"at or above\" includes equality. A process has many threads: which half of bpf_get_current_pid_tgid() do they share?", For: []string{"WRONG", "another process", "an argument below the threshold", "missing", "none sent", "pid is wrong"}},
		{Text: "`./bpflab run lab12_2` makes a few calls and shows, for each, what your BPF program sends and what it should.", For: []string{"WRONG", "another process", "another system call", "an argument below the threshold", "missing", "none sent", "timed", "layout", unnamed, "pid is wrong", "uid is wrong", "ts is wrong"}},
		{Text: "A reader that sleeps in r.Wait needs somebody to wake it: with BPF_RB_NO_WAKEUP nobody does. With 0 the kernel does, for an event that comes when all before it were read.", For: []string{"none read"}},
		{Text: "If events are missing at the end: does the reader report what it still has before it sleeps? out.Flush() hands reports over; until then nobody has seen them.", For: []string{"WRONG", "missing", "none read"}},
		{Text: "If each event comes many times, the reader does not give back what it has read: r.Release takes the position up to which it has, and ring.Next says where the next record begins.", For: []string{"WRONG", repeated}},
		{Text: "A loop around all of it, `for ctx.Err() == nil`, returns when it should. A line of what a panic prints names the line of your reader.", For: []string{"ENDED"}},
	},
	"drops": {
		{Text: "When the ring is full an event cannot be sent. Somebody should know. Who counts, and where?", For: []string{"SHORT", "WRONG"}},
		{Text: "Every call of interest is either in the ring or in `dropped`, on every way through the program, and never in both.", For: []string{"SHORT", "EXTRA", "WRONG"}},
		{Text: "One loop reads from r.Consumed() on, record by record: it stops at a header with ring.Busy, reports what is not discarded, and goes on at ring.Next. Behind it stands one r.Release, of the position that it has reached.", For: []string{"AFTER", "EARLY", "BUSY", "WRONG"}},
		{Text: "Two CPUs drop at the same time. An ordinary addition reads, adds and writes back: what does the other CPU do in between?", For: []string{"RACE"}},
		{Text: "__sync_fetch_and_add(&dropped, 1) is one step. It costs more than an ordinary addition, but it runs only when an event is lost.", For: []string{"RACE"}},
	},
	"cost": {
		{Text: "An event is made on the stack and then copied. Where could it be made instead?"},
		{Text: "bpf_ringbuf_reserve returns the room in the ring. Fill it in there, and submit it: no copy, and you know that it fits before you have done the work."},
		{Text: "A flag of bpf_ringbuf_output or bpf_ringbuf_submit asks for something that costs about as much as all the rest together: see task 6. Without a flag the kernel decides by itself."},
		{Text: "What is left is the helpers: pid, uid, clock, name. Each is called once, for an event that is sent; none for one that is not."},
	},
	"overhead": {
		{Text: "Most system calls of the machine are of no interest. What does your program do before it finds that out?"},
		{Text: "Ask the cheapest question first, and leave at once. What is already in ctx costs nothing to compare; a helper costs a call; reading a register of the process costs most."},
		{Text: "The order: ctx->args[1] against target_syscall; then the pid; then the argument; and only then the clock, the user and the name."},
	},
	"wakeups": {
		{Text: "Who is woken, and by whom? Each wake-up is an interrupt for the traced process, and a switch to the reader and back."},
		{Text: "With flag 0 the kernel wakes the reader only if it has read all there was. A reader that reads at once is woken at once, for one event. What if it took its time?"},
		{Text: "Too late, or busy? A reader that looks again and again takes a CPU for nothing; one that sleeps too long is late. It may sleep in Wait for as long as nothing happens, and nap after it was woken."},
		{Text: "r.Wait(-1), then syscall.Nanosleep for some 400 microseconds, then read all there is, then out.Flush(), and again from the start."},
	},
	"throughput": {
		{Text: "Calls and reader share one CPU: what the reader takes, the calls lack. And a ring that nobody reads for long enough is full: how many events does yours hold, and for how long?"},
		{Text: "Count what your reader does for each event: a slice, a copy, a decoder, a report, a system call. Which of them could be done once for a hundred?"},
		{Text: "The event lies in r.Data, at position & r.Mask + ring.HeaderSize, as the program wrote it. A *consumer.Event can point there; out.Event copies it, once."},
		{Text: "Read from Consumed to Produced in one loop, Release once behind it, Flush once behind that. A larger ring (up to 512 KiB) bridges a longer nap."},
	},
}

// ended is for a reader that is no longer there.
const ended = "Your reader ended before it was told to. What it printed is in the report; the calls went on without it. It may return only when ctx is done, and must report what r.Wait returns as an error."

// symptoms are hints for what a verdict found, by task and by what it has found or the word in its cell.
var symptoms = map[string]map[string]string{
	"events": {
		"ENDED": ended,
		"WRONG": "The report names the first event that is wrong, by the name of its thread, and lists more below the table. Are they wrong all in the same way, or is one kind missing?",

		"another process":                 "Calls of another process are sent, or counted as dropped. Is target_pid compared with the process, at every call?",
		"layout":                          "The events are not laid out as the consumer reads them. Compare your `struct event` with the README's, line by line.",
		unnamed:                           "Events come under a name that no call of interest has. Each thread changes its name before each call: is comm asked for in each event, and is it where the consumer looks for it?",
		"another system call":             "Only calls of another number are sent that should not be. Where is ctx->args[1] compared with target_syscall?",
		"an argument below the threshold": "Only events below the threshold are sent that should not be. Both numbers are unsigned and 64 bits wide: are they still when you compare them?",
		"pid is wrong":                    "Only pid is wrong. It is the process's, the same for all of its threads.",
		"uid is wrong":                    "Only uid is wrong. Each thread belongs to another user; and a user ID is not a group ID.",
		"ts is wrong":                     "Only ts is wrong. It is the moment of this call, in nanoseconds, as bpf_ktime_get_ns has it.",
		"out of order":                    "Each event is there, but not in its thread's order. Where does your reader swap two of them?",
		repeated:                          "Events are reported more than once, and nothing else is wrong but what follows from it. Does the reader give back what it has read (r.Release), and go on behind it?",
		"missing":                         "What is reported is right, but events are missing. Look at the first of them in the report. Is its argument just the threshold, or a very large number? Then it is the comparison. Otherwise: does the reader hand over the last ones?",
		"none sent":                       "The BPF program sends nothing, even without your reader. Which of its tests does no call pass?",
		"none read":                       "The events are in the ring, and none is reported. Follow one through your reader: what wakes it, where does it find a record, what hands it over?",
		"timed":                           "All that your reader reported is right. In the ring it is not, where more calls are made and timed: what does your program do differently then?",
	},
	"drops": {
		"ENDED": ended,
		"SHORT": "The ring was full while a reader stood still, and some events are neither reported nor in `dropped`. Where does your program count one that finds no room? And does the reader report all that it finds when it goes on?",
		"EXTRA": "The ring was full while a reader stood still, and there are more events than calls. Which of them is both in the ring and in `dropped`, or counted in two places?",
		"AFTER": "There was room again, and events are missing or still dropped: a reader that goes on has to give back what it has read, up to the position that it has reached, and to read on from there.",
		"EARLY": "r.Release tells the kernel that it may write there again; until then nothing overwrites an event. So read first, out.Event included, and release only what you have read.",
		"BUSY":  "A program reserves an event, then fills it in. In between its header has ring.Busy, and other CPUs may have sent theirs behind it. Stop there, give back what lies before it, and look again later: neither its length nor its content is final yet.",
		"CPUS":  "Two CPUs sent at once, with room for all. Each reservation is one CPU's own: what else do the two share in your program?",
		"RACE":  "Two CPUs found the ring full at the same time, and counted in one variable: what one adds between the other's load and its store is lost. Only this is wrong; with one CPU all is accounted for.",
		"WRONG": "Either events are damaged, and then the reader has read what was already written over; or dropped does not move while the ring is full.",
	},
	"wakeups": {
		"ENDED": ended,
		"LATE":  "A lone event waits too long. Either nobody wakes the reader, or it naps for too long; and time.Sleep naps for a whole millisecond where nothing else runs.",
		"LOST":  "Under load your reader is always behind: the ring is full, and the kernel wakes nobody who has something to read. That it was woken seldom proves nothing. Make it faster first: task 7.",
		"BUSY":  "The reader runs though there is nothing to read. It should wait without a timeout when nothing happened for a while.",
	},
	"throughput": {
		"ENDED": ended,
		"LOST":  "The ring was full. Even the largest holds 13,107 events: does the reader come often enough, and does it keep up once it is there?",
	},
}
