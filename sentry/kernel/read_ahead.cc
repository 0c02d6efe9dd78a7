#include "sentry/kernel/read_ahead.h"

#include <algorithm>
#include <cstring>

namespace runsc {

// From its start if that can be read (it always can, unless the call's own bytes are all that was staged).
void ReadAhead::Fill(Page& page, GuestAddr addr) {
  page.start = addr & ~(kPage - 1);
  page.begin = 0;
  page.end = task_.CopyInPartial(page.start, page.bytes, kPage);
  const size_t at = addr - page.start;
  if (at < page.end) return;
  page.begin = at;
  page.end = at + task_.CopyInPartial(addr, page.bytes + at, kPage - at);
}

std::string_view ReadAhead::At(GuestAddr addr) {
  const GuestAddr start = addr & ~(kPage - 1);
  const size_t at = addr - start;
  auto* page = std::find_if(std::begin(pages_), std::end(pages_),
                            [&](const Page& p) { return p.start == start && at >= p.begin && at < p.end; });
  if (page == std::end(pages_)) {
    page = &pages_[next_];
    next_ = (next_ + 1) % kPages;
    Fill(*page, addr);
  }
  return {page->bytes + at, page->end - at};
}

Result<void> ReadAhead::Read(GuestAddr addr, void* dst, size_t size) {
  for (size_t done = 0; done < size;) {
    const std::string_view bytes = At(addr + done);
    if (bytes.empty()) return Errno(EFAULT);
    const size_t n = std::min(bytes.size(), size - done);
    std::memcpy(static_cast<char*>(dst) + done, bytes.data(), n);
    done += n;
  }
  return {};
}

}  // namespace runsc
