// What the allocator does with large blocks that were freed.
#pragma once

namespace wring {

// For programs that allocate and free the same large blocks over and over (steps of training, sessions of sound): the
// process keeps them instead of giving each back to the system, which would zero it again page by page. Half of the
// time of such loops otherwise goes there. For all of the process, before its threads start.
void KeepFreedMemory();

}  // namespace wring
