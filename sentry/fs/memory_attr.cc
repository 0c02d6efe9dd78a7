// Attributes that are kept in memory.
#include "sentry/fs/memory_attr.h"

#include <sys/stat.h>
#include <time.h>

namespace runsc {

timespec RealtimeNow() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts;
}

void ApplyChange(const AttrChange& change, Attr& attr) {
  if (change.mode) attr.mode = (attr.mode & S_IFMT) | (*change.mode & 07777);
  if (change.uid) attr.uid = *change.uid;
  if (change.gid) attr.gid = *change.gid;
  if (change.atime) attr.atime = *change.atime;
  if (change.mtime) attr.mtime = *change.mtime;
  attr.ctime = RealtimeNow();
}

}  // namespace runsc
