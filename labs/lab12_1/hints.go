// SPDX-License-Identifier: Apache-2.0

package counter

import "bpflab/harness/host/judge"

// hints by task, least revealing first.
var hints = map[string][]judge.Hint{
	"verifier": {
		{Text: "The report says what the rejection means, and shows the last lines of the verifier's log, with your own lines among them. What could it not prove, and at which line?"},
		{Text: "It wants two proofs. That an access stays within the frame: a comparison with data_end before it, on every path there, that covers the last byte. And that the pointer from a lookup is not NULL, even where you know it."},
		{Text: "Where a header ends depends on a number in the packet (IHL). Checking the fixed part says nothing about that end: it needs a comparison of its own."},
		{Text: "Over the budget? The verifier walks a loop as often as it turns, and every branch in it both ways: one comparison of the header's end does what a comparison for each byte does. Refused by one old kernel only? An atomic addition whose result is used came with Linux 5.12."},
	},
	"counts": {
		{Text: "Run through the README's list of frames. For each kind, say aloud what your program does with it, and what it returns."},
		{Text: "Which number do you add to the bytes, and who wrote it? Where does a sum live between two packets? Nothing on the stack outlives a run."},
		{Text: "A header ends at 14 + 4·IHL. With IHL below 5 it is no header; a frame that ends before it is cut; one that ends just there is whole."},
		{Text: "The frame's length is data_end - data. h_proto is in network byte order: compare it with bpf_htons(ETH_P_IP). Every way out returns `verdict`."},
	},
	"concurrency": {
		{Text: "Two CPUs can be between your lookup and your update at the same time. Both have read 41; what do they write?"},
		{Text: "There are two ways out: make the addition indivisible, or see that no two CPUs ever share an entry. Either way both fields need it."},
		{Text: "Only an addition in the map itself is indivisible, through the pointer that the lookup returned. A value that is read, added to and written back is three steps, whatever stands between them."},
		{Text: "__sync_fetch_and_add(&c->packets, 1) is such an addition, for each field. Or let the map hold a value for each CPU (BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY): then an ordinary addition in place will do, and the grader sums the values."},
	},
	"sharing": {
		{Text: "When two CPUs write to one place, its cache line travels between them at each write. Which of your lines write to memory that every CPU's packets write to? The report lists them."},
		{Text: "An atomic addition is right, and still shared. Global variables are shared as well, and so is every map whose type does not say PERCPU."},
		{Text: "BPF_MAP_TYPE_PERCPU_ARRAY gives each CPU an entry of its own under each key. The grader sums them, and an ordinary addition in place is then enough."},
	},
	"hot_path": {
		{Text: "Look at what the compiler made of your code: in labs/lab12_1, clang -target bpf -mcpu=v3 -O2 -g -I/usr/include/$(uname -m)-linux-gnu -c counter.bpf.c, then llvm-objdump -S counter.bpf.o. Which of it serves the count?"},
		{Text: "A counter reads neither addresses nor ports. Ask the cheapest question first, leave as soon as the answer is no, and read nothing before it is needed."},
		{Text: "Every comparison with data_end is three instructions. A frame too short for Ethernet and 20 bytes of IP is not counted anyway: may one comparison cover both headers?"},
		{Text: "No static bound? The code of a loop does not say how often it runs. The options of a header need not be walked to know where they end."},
	},
	"calls": {
		{Text: "Which of your lines call into the kernel? The report lists them. Which of them does the count need?"},
		{Text: "Nobody reads the time. And a key that has been looked up need not be looked up again: the pointer is still there."},
		{Text: "What the pointer from a lookup points at is the value in the map, not a copy: add to it. But a hash is empty at first, and each entry has to be inserted; which map has all of its entries from the beginning?"},
		{Text: "One lookup, and c->packets++ through its pointer. In an array every entry exists from the beginning, so that nothing needs to be inserted; in a hash the first packet of a protocol takes an update, which is why a hash cannot pass this task."},
	},
	"throughput": {
		{Text: "Count instructions in the kernel's functions that you call, not in your own lines: the figure in the report is all of them. What is left once tasks 4 to 6 pass?", For: []string{"calls"}},
		{Text: "How many keys are there? A hash pays for keys that may be anything: for hashing, for a bucket's list, for comparing.", For: []string{"calls"}},
		{Text: "An IP protocol is a number from 0 to 255: an array of 256 entries is found by a multiplication.", For: []string{"calls"}},
		{Text: "Still a few instructions too many? Whatever your program computes and nobody reads is in them."},
	},
	"overhead": {
		{Text: "The overhead is what your program adds, over what the kernel does anyway to receive a packet: the second figure you cannot change."},
		{Text: "What does your program find out that nobody reads? A clock costs as much for nobody as for somebody."},
		{Text: "Whatever improves throughput improves this too: both count the same instructions, and here they are divided by more."},
	},
}

// symptoms are hints for what a verdict found, by task and by what it has found or the word in its cell.
var symptoms = map[string]map[string]string{
	"counts": {
		"empty":      "An entry has to be there before a look-up can find it. Where does your program put it, or which map has all of its entries from the beginning?",
		"nothing":    "Nothing is counted, of any kind. Does your program return before it counts, or is what it counts lost? Only what is in a map outlives a run.",
		"swapped":    "Which field of `struct count` do you add 1 to, and which the length? The grader reads packets first, then bytes.",
		"byte order": "Frames of one type are taken for those of another, whose two bytes are the other way round. In which order are they in a packet, and in which in the number that you compare them with?",
		"one field":  "One of the two sums never moves. Where is it added to?",
		"twice":      "Each packet is added twice. Which two lines does a frame that counts pass?",
		"bytes":      "Each packet is counted, but not with the frame's length. Which number do you add, and who wrote it?",
		"too many":   "Frames are counted that should not be, and none is left out. Take the kind that the report names: what is missing in such a frame, and which of your comparisons asks for that?",
		"too few":    "Frames are left out that should count, and none is counted without reason. Take the kind that the report names: which of your comparisons sends it away?",
		"verdict":    "All counts are right; what is returned is not. Follow each way out of your program: which of them does not return `verdict`?",
		"timed":      "One kind at a time all is right; many frames of all kinds in a row are not. What does your program remember of the frames before, or do only for some?",
		"passed on":  "All counts are right, but some frames do not go on as they came. Which of them does your program change, or return something else for?",
	},
	"concurrency": {
		"EXTRA": "More was counted than came: is a packet added in two places, or is a value that was read before written back later?",
	},
	"throughput": {
		"own lines": "The map is an array and there is one call: what is left is in your own lines. Which of them do work whose result nobody reads, such as filling a field with zeros?",
	},
	"hot_path": {
		"?": "Your program has a loop, and its text does not say how often that turns. Does it need one?",
	},
}
