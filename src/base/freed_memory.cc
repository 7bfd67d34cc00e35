#include "base/freed_memory.h"

#include <malloc.h>

namespace wring {

void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
}

}  // namespace wring
