// Internal verb gofer: the process that serves a container's host files.
#include "gofer/server/server.h"
#include "platform/host/jail_unsafe.h"
#include "platform/host/status_util.h"
#include "runsc-cli/base/crash_report_unsafe.h"
#include "runsc-cli/base/log.h"
#include "runsc-cli/base/text.h"
#include "runsc-cli/verbs/verb.h"

namespace runsc {
namespace {

constexpr FlagDef kFlags[] = {
    {"attach", FlagKind::kList, "", "",
     "FD,MODE,SCOPE,PATH: a tree to serve (MODE ro, rw or tmpfile; SCOPE tree or single)"},
    {"channel", FlagKind::kList, "", "", "socket to serve on"},
};

struct AttachRequest {
  GoferJailOptions::Attach attach;
  GoferAttachPoint point;
};

absl::StatusOr<AttachRequest> ParseAttach(std::string_view text) {
  std::string_view fields[3];
  for (std::string_view& field : fields) {
    const size_t comma = text.find(',');
    if (comma == text.npos) return InvalidArgument("--attach: malformed");
    field = text.substr(0, comma);
    text.remove_prefix(comma + 1);
  }
  const std::string_view mode = fields[1];
  AttachRequest request;
  request.attach.fd = ParseNumber<int>(fields[0]).value_or(-1);
  request.attach.tree = {std::string(text), mode == "ro", fields[2] == "tree"};
  request.point.read_only = mode != "rw";
  request.point.allow_tmpfile = mode == "tmpfile";
  return request;
}

absl::StatusOr<int> Run(const Invocation& invocation) {
  ReportCrashes("runsc-gofer");
  GoferJailOptions jail_options;
  GoferServerOptions server;
  for (const std::string& text : invocation.flags.GetList("attach")) {
    ASSIGN_OR_RETURN(AttachRequest request, ParseAttach(text));
    jail_options.attaches.push_back(std::move(request.attach));
    server.attach_points.push_back(std::move(request.point));
  }
  for (const std::string& text : invocation.flags.GetList("channel")) {
    server.connections.emplace_back(ParseNumber<int>(text).value_or(-1));
  }
  ASSIGN_OR_RETURN(GoferJail jail, EnterGoferJail(jail_options));
  if (!jail.warning.empty()) LogInfo("gofer: ", jail.warning);
  for (size_t i = 0; i < jail.attaches.size(); ++i) server.attach_points[i].root = std::move(jail.attaches[i]);
  server.proc_self_fd = std::move(jail.proc_self_fd);
  RETURN_IF_ERROR(LockDownGofer());
  return RunGoferServer(std::move(server));
}

}  // namespace

const Verb kGoferVerb = {"gofer", "", "serve host files", kFlags, 0, 0, Run, false, true};

}  // namespace runsc
