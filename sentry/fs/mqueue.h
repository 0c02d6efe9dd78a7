// POSIX message queues (mq_overview(7)): the file system they live in, and an open queue.
#pragma once

#include <mqueue.h>
#include <signal.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "sentry/fs/simple_fs.h"
#include "sentry/kernel/deadline.h"
#include "sentry/vfs/wait_queue.h"

namespace runsc {

class MqueueFs;
class ThreadGroup;

// What new queues may be like: limits of those without CAP_SYS_RESOURCE, and of everybody.
struct MqueueLimits {
  static constexpr int kQueues = 256;
  static constexpr long kDefaultMessages = 10, kMessages = 10, kMostMessages = 65536;
  static constexpr long kDefaultSize = 8192, kSize = 8192, kMostSize = 16 << 20;
};
inline constexpr uint32_t kMqPriorities = 32768;  // MQ_PRIO_MAX

class MqueueInode : public SimpleNode {
 public:
  struct Shape {
    long max_messages, max_size;
  };
  // `charged`: bytes of RLIMIT_MSGQUEUE that `owner` gets back when the queue is gone.
  MqueueInode(MqueueFs& fs, std::string name, const NewFile& file, const Shape& shape, uid_t owner, uint64_t charged);
  const std::string& name() const { return name_; }
  const Shape& shape() const { return shape_; }

  Result<Attr> GetAttr() override;
  Result<void> SetAttr(const AttrChange& change) override;
  Result<RefPtr<File>> Open(Task& task, const Path& path, int flags) override;

  // Waits unless `nonblocking` for room or for a message; deadline in monotonic time. EAGAIN, ETIMEDOUT.
  Result<void> Send(Task& task, std::string text, uint32_t priority, bool nonblocking, Deadline deadline);
  struct Message {
    std::string text;
    uint32_t priority = 0;
  };
  Result<Message> Receive(Task& task, bool nonblocking, Deadline deadline);
  size_t count();

  // What SIGEV_THREAD wants done: a message came, or nobody will say so any more.
  enum class Happening : uint8_t { kCame = 1, kRemoved = 2 };
  using Teller = std::function<void(Happening)>;
  // Whom to tell once when a message comes to the empty queue. EBUSY when somebody else is to be told.
  Result<void> RequestNotice(Task& task, const sigevent& event, Teller tell);
  void CancelNotice(const ThreadGroup& process);
  std::string StatusLine(const Task& reader);
  EventMask Readiness(EventMask mask);
  WaitQueue& queue() { return queue_; }

 protected:
  ~MqueueInode() override;

 private:
  struct Notice;
  bool TrySend(Message& message, std::optional<Notice>& due) ABSL_LOCKS_EXCLUDED(mu_);
  bool TryReceive(Message& message) ABSL_LOCKS_EXCLUDED(mu_);

  const std::string name_;
  const Shape shape_;
  const uid_t charged_to_;
  const uint64_t charged_;
  struct Notice {
    RefPtr<ThreadGroup> process;
    sigevent event;
    Teller tell;  // for SIGEV_THREAD
  };
  static void Tell(Task& sender, const Notice& notice);
  Mutex mu_{LockRank::kInode};
  Attr attr_ ABSL_GUARDED_BY(mu_);
  // Highest priority first, oldest first within one.
  std::multimap<uint32_t, std::string, std::greater<>> messages_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  int receivers_ ABSL_GUARDED_BY(mu_) = 0;  // asleep: they get a message before anybody is told of it
  std::optional<Notice> notice_ ABSL_GUARDED_BY(mu_);
  WaitQueue queue_;  // EPOLLIN: a message came; EPOLLOUT: there is room
};

class MqueueFile : public File {
 public:
  MqueueFile(RefPtr<MqueueInode> queue, const Path& path, int flags);
  static const char kKind;
  const void* kind() const override { return &kKind; }
  unsigned abilities() const override { return kReads; }
  MqueueInode& queue() const { return *queue_; }

  // The status line, as text.
  Result<size_t> Read(Task& task, IoSink& dst, const int64_t* offset) override;
  bool positioned() const override { return true; }
  EventMask Readiness(EventMask mask) override { return queue_->Readiness(mask); }
  WaitQueue* wait_queue() override { return &queue_->queue(); }
  void OnClose(Task* task) override;
  RefPtr<Inode> inode() const override { return queue_; }
  Result<Attr> GetAttr() override { return queue_->GetAttr(); }
  std::string Describe() const override { return "/" + queue_->name(); }

 private:
  const RefPtr<FileSystem> fs_;  // the queue needs it until it is gone: before `queue_`
  const RefPtr<MqueueInode> queue_;
  std::atomic<int64_t> offset_{0};
};

class MqueueFs : public SimpleFs {
 public:
  MqueueFs();
  // `attr` null: the default shape.
  Result<RefPtr<MqueueInode>> Create(Task& task, std::string_view name, const NewFile& file, const mq_attr* attr);
  Result<RefPtr<MqueueInode>> Find(std::string_view name);
  // mq_unlink(3): the directory is sticky. EACCES, ENOENT.
  Result<void> Unlink(Task& task, std::string_view name);
  Result<void> Remove(std::string_view name);
  Result<std::vector<DirEntry>> List();
  void Uncharge(uid_t user, uint64_t bytes);

 private:
  Result<void> CheckLimitsLocked(Task& task, const mq_attr* attr, MqueueInode::Shape& shape)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Mutex mu_{LockRank::kDentry};
  std::map<uid_t, uint64_t> charged_ ABSL_GUARDED_BY(mu_);  // before queues_, which give back to it
  std::map<std::string, RefPtr<MqueueInode>, std::less<>> queues_ ABSL_GUARDED_BY(mu_);
};

// The one whose queues `task` opens and mounts.
RefPtr<MqueueFs> MqueuesOf(Task& task);

}  // namespace runsc
