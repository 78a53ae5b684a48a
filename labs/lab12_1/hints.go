// SPDX-License-Identifier: Apache-2.0

package counter

// hints by task, least revealing first.
var hints = map[string][]string{
	"verifier": {
		"The verifier follows every path through your program and counts the instructions it looks at. What it cannot bound, it refuses.",
		"Every access to the frame needs a comparison with data_end before it, on every path, and the comparison must cover the last byte you read.",
		"A header whose length comes from the packet (IHL) needs a check of its own: compare the end that the length gives, not the end of the fixed part.",
	},
	"counts": {
		"Run through the README's list of frames. For each kind, say aloud what your program does with it.",
		"The length that counts is the frame's, data_end - data. The IP header's own length field is whatever the sender wrote.",
		"A header ends at 14 + 4·IHL. With IHL below 5 it is no header; a frame that ends before it is cut; one that ends just there is whole.",
		"h_proto is in network byte order: compare it with bpf_htons(ETH_P_IP).",
	},
	"concurrency": {
		"Two CPUs can be between your lookup and your update at the same time. Both have read 41; what do they write?",
		"There are two ways out: make the addition indivisible, or give each CPU an entry of its own.",
		"BPF_MAP_TYPE_PERCPU_HASH and BPF_MAP_TYPE_PERCPU_ARRAY hold a value for each CPU; the grader sums them. Add in place, through the pointer that the lookup returned.",
	},
	"hot_path": {
		"llvm-objdump -d on the object shows what the compiler made of your code. Which of it serves the count?",
		"Addresses, ports, time: a counter reads none of them. Read only what decides, and leave as soon as the answer is no.",
		"One comparison with data_end can cover both headers: a frame too short for Ethernet and 20 bytes of IP is not counted anyway.",
	},
	"throughput": {
		"Which of your lines calls into the kernel, and how often for each packet? Those calls are nearly all of the cost.",
		"A lookup returns a pointer into the map. What you write through it is in the map: nothing has to be put back.",
		"An IP protocol is a number from 0 to 255. An array of 256 entries needs no hash, no bucket and no comparison of keys.",
	},
	"overhead": {
		"The overhead is what your program adds, over what the kernel does anyway to receive a packet. Halve the first and you halve it.",
		"A clock that nobody reads costs as much as one that somebody reads.",
		"If the throughput is right, this one is too: both measure the same instructions.",
	},
}
