// What systemd is asked: org.freedesktop.systemd1(5).
#include "runsc-cli/cgroup/systemd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "platform/host/status_util.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/cgroup/dbus.h"

namespace runsc {
namespace {

constexpr char kManager[] = "org.freedesktop.systemd1.Manager";

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

// The socket of a "unix:path=..." address; "" for other kinds.
std::string SocketOf(std::string_view address) {
  if (!ConsumePrefix(address, "unix:path=")) return {};
  return std::string(address.substr(0, address.find_first_of(",;")));
}

std::string BusSocket() {
  const bool user = geteuid() != 0;
  const std::string given = SocketOf(Environment(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS"));
  if (!given.empty()) return given;
  return user ? Environment("XDG_RUNTIME_DIR") + "/bus" : "/run/dbus/system_bus_socket";
}

absl::StatusOr<DBusConnection> Connect() {
  absl::StatusOr<DBusConnection> bus = DBusConnection::Open(BusSocket());
  if (bus.ok()) return bus;
  const Errno error = ToErrno(bus.status());
  const bool nobody = error == Errno(ENOENT) || error == Errno(ECONNREFUSED);
  return absl::FailedPreconditionError(
      Cat("--systemd-cgroup: ", nobody ? "systemd does not run on this host; use the cgroupfs driver: " : "",
          MessageOf(bus.status())));
}

DBusMessage ManagerCall(std::string_view member, std::string_view signature, const DBusWriter& body) {
  DBusMessage call;
  call.destination = "org.freedesktop.systemd1";
  call.path = "/org/freedesktop/systemd1";
  call.interface = kManager;
  call.member = member;
  call.signature = signature;
  call.body = body.bytes();
  return call;
}

void AddProperty(DBusWriter& out, std::string_view name, std::string_view type,
                 const std::function<void(DBusWriter&)>& value) {
  out.Align(8).String(name).Signature(type);
  value(out);
}

void AddLimits(DBusWriter& out, const CgroupSettings& limits) {
  for (const SystemdProperty& property : SystemdProperties(limits)) {
    if (property.mask.empty()) {
      AddProperty(out, property.name, "t", [&](DBusWriter& w) { w.Uint64(property.number); });
      continue;
    }
    AddProperty(out, property.name, "ay", [&](DBusWriter& w) {
      w.Array(1, [&](DBusWriter& bytes) {
        for (const uint8_t byte : property.mask) bytes.Byte(byte);
      });
    });
  }
}

void AddText(DBusWriter& out, std::string_view name, std::string_view text) {
  AddProperty(out, name, "s", [&](DBusWriter& w) { w.String(text); });
}

void AddSwitch(DBusWriter& out, std::string_view name, bool on) {
  AddProperty(out, name, "b", [&](DBusWriter& w) { w.Bool(on); });
}

bool IsSlice(std::string_view unit) { return unit.ends_with(".slice"); }

// As runc describes a scope, so that systemd lets us have our way with its cgroup and forgets it at its end.
DBusMessage StartCall(const SystemdCgroup& unit, const std::string& id, pid_t pid, const CgroupSettings& limits) {
  DBusWriter body;
  body.String(unit.unit).String("replace");
  body.Array(8, [&](DBusWriter& out) {
    AddText(out, "Description", Cat("runsc container ", id));
    AddSwitch(out, "DefaultDependencies", false);
    AddText(out, "CollectMode", "inactive-or-failed");
    if (IsSlice(unit.unit)) {
      AddProperty(out, "Wants", "as",
                  [&](DBusWriter& w) { w.Array(4, [&](DBusWriter& names) { names.String(unit.slice); }); });
    } else {
      AddText(out, "Slice", unit.slice);
      AddSwitch(out, "Delegate", true);
      AddProperty(out, "PIDs", "au", [&](DBusWriter& w) {
        w.Array(4, [&](DBusWriter& pids) { pids.Uint32(static_cast<uint32_t>(pid)); });
      });
    }
    for (const char* name : {"MemoryAccounting", "CPUAccounting", "TasksAccounting", "IOAccounting"})
      AddSwitch(out, name, true);
    AddLimits(out, limits);
  });
  body.Array(8, [](DBusWriter&) {});  // no other units
  return ManagerCall("StartTransientUnit", "ssa(sv)a(sa(sv))", body);
}

absl::Status ListenForJobs(DBusConnection& bus) {
  DBusMessage match;
  match.destination = match.interface = "org.freedesktop.DBus";
  match.path = "/org/freedesktop/DBus";
  match.member = "AddMatch";
  match.signature = "s";
  match.body = DBusWriter().String(Cat("type='signal',interface='", kManager, "',member='JobRemoved'")).bytes();
  RETURN_IF_ERROR(bus.Call(std::move(match)).status());
  return bus.Call(ManagerCall("Subscribe", "", {})).status();
}

absl::Status AwaitJob(DBusConnection& bus, const std::string& job, const std::string& unit) {
  for (;;) {
    ASSIGN_OR_RETURN(const DBusMessage signal, bus.NextSignal());
    if (signal.member != "JobRemoved") continue;
    DBusReader in(signal.body);
    in.Uint32();
    if (in.String() != job) continue;
    in.String();
    const std::string result = in.String();
    if (result == "done") return absl::OkStatus();
    return absl::InternalError(Cat("systemd could not start ", unit, ": ", result));
  }
}

absl::Status CallForUnit(DBusConnection& bus, std::string_view member, const std::string& unit) {
  return bus.Call(ManagerCall(member, "s", DBusWriter().String(unit))).status();
}

}  // namespace

absl::StatusOr<std::string> SystemdRoot() {
  ASSIGN_OR_RETURN(DBusConnection bus, Connect());
  DBusMessage get = ManagerCall("Get", "ss", DBusWriter().String(kManager).String("ControlGroup"));
  get.interface = "org.freedesktop.DBus.Properties";
  ASSIGN_OR_RETURN(const DBusMessage reply, bus.Call(std::move(get)));
  DBusReader in(reply.body);
  in.Signature();
  const std::string path = in.String();
  return path == "/" ? "" : path;
}

absl::StatusOr<IdleProcess> IdleProcess::Start() {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return HostError(errno, "fork");
  if (pid > 0) return IdleProcess(pid);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (getppid() == parent) pause();
  _exit(0);
}

IdleProcess::~IdleProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::Status StartSystemdUnit(const SystemdCgroup& unit, const std::string& id, pid_t pid,
                              const CgroupSettings& limits) {
  ASSIGN_OR_RETURN(DBusConnection bus, Connect());
  RETURN_IF_ERROR(ListenForJobs(bus));
  absl::StatusOr<DBusMessage> reply = bus.Call(StartCall(unit, id, pid, limits));
  if (!reply.ok() && MessageOf(reply.status()).starts_with("org.freedesktop.systemd1.UnitExists")) {
    CallForUnit(bus, "ResetFailedUnit", unit.unit).IgnoreError();  // one that failed is no more than a memory
    reply = bus.Call(StartCall(unit, id, pid, limits));
  }
  if (!reply.ok())
    return absl::Status(reply.status().code(), Cat("systemd: start ", unit.unit, ": ", MessageOf(reply.status())));
  return AwaitJob(bus, DBusReader(reply->body).String(), unit.unit);
}

absl::Status UpdateSystemdUnit(const std::string& unit, const CgroupSettings& limits) {
  if (SystemdProperties(limits).empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(DBusConnection bus, Connect());
  DBusWriter body;
  body.String(unit).Bool(/*until the next boot=*/true);
  body.Array(8, [&](DBusWriter& out) { AddLimits(out, limits); });
  const absl::Status set = bus.Call(ManagerCall("SetUnitProperties", "sba(sv)", body)).status();
  return set.ok() ? set : absl::Status(set.code(), Cat("systemd: limits of ", unit, ": ", MessageOf(set)));
}

absl::Status StopSystemdUnit(const std::string& unit) {
  ASSIGN_OR_RETURN(DBusConnection bus, Connect());
  return bus.Call(ManagerCall("StopUnit", "ss", DBusWriter().String(unit).String("replace"))).status();
}

}  // namespace runsc
