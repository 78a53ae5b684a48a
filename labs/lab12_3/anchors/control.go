// SPDX-License-Identifier: Apache-2.0

package anchors

// Control is the reference's object.
func Control() []byte { return _ReferenceBytes }
