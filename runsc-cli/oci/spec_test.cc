// Unit tests of reading, checking and writing config.json.
#include "runsc-cli/oci/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runsc-cli/base/text.h"
#include "runsc-cli/oci/template.h"
#include "runsc-cli/oci/validate.h"

namespace runsc {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view json) {
  absl::StatusOr<Spec> spec = ParseSpec(json);
  if (!spec.ok()) return MessageOf(spec.status());
  return MessageOf(ValidateSpec(*spec));
}

// A valid document with `more` inside "process" and `top` at the top level.
std::string Document(std::string_view more = "", std::string_view top = "") {
  return Cat(R"({"ociVersion":"1.2.0","process":{"args":["/bin/true"],"cwd":"/")", more,
             R"(},"root":{"path":"rootfs"})", top, "}");
}

TEST(ParseSpec, ReadsWhatRuncWrites) {
  const std::string json = SpecToJson(TemplateSpec());
  absl::StatusOr<Spec> spec = ParseSpec(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(ValidateSpec(*spec).ok());
  EXPECT_EQ(spec->process->args, std::vector<std::string>{"sh"});
  EXPECT_EQ(spec->process->capabilities.bounding, 1u << 29 | 1u << 5 | 1u << 10);
  EXPECT_EQ(spec->mounts.size(), 6u);
  EXPECT_EQ(spec->mounts[3].options[0], "nosuid");
  EXPECT_TRUE(spec->root->readonly);
  EXPECT_EQ(spec->linux_.namespaces.size(), 5u);
}

TEST(ParseSpec, IgnoresUnknownFieldsAndNulls) {
  EXPECT_EQ(ErrorOf(Document(R"(,"noSuch":{"a":1},"env":null,"user":null)", R"(,"noSuchToo":{},"linux":null)")), "");
}

TEST(ParseSpec, FindsFieldsThatNoSandboxCanHonour) {
  const absl::StatusOr<Spec> spec =
      ParseSpec(R"({"vm": {}, "windows": null, "linux": {"intelRdt": {}}, "process": {"execCPUAffinity": {}}})");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->refused, (std::vector<std::string>{"vm", "process.execCPUAffinity", "linux.intelRdt"}));
}

TEST(ParseSpec, NamesTheWrongPlace) {
  const struct {
    std::string json;
    const char* error;
  } cases[] = {
      {"", "not valid JSON"},
      {"{\"a\":", "not valid JSON: line 1, column 6"},
      {"{} x", "not valid JSON"},
      {"null", "must be an object"},
      {"[]", "must be an object, is an array"},
      {"{}", "process: must be given"},
      {R"({"process":[]})", "process: must be an object, is an array"},
      {R"({"process":{"cwd":"/"},"root":{"path":"r"}})", "process.args: must not be empty"},
      {R"({"process":{"args":[""],"cwd":"/"}})", "process.args[0]: must not be empty"},
      {R"({"process":{"args":"sh"}})", "process.args: must be an array, is a string"},
      {R"({"process":{"args":["a",2]}})", "process.args[1]: must be a string, is a number"},
      {R"({"process":{"args":["a",null]}})", "process.args[1]: must be a string, is null"},
      {R"({"process":{"args":["a\u0000b"],"cwd":"/"}})", "process.args[0]: must not contain a NUL"},
      {R"({"process":{"args":["a"]}})", "process.cwd: must not be empty"},
      {R"({"process":{"args":["a"],"cwd":"x"}})", "process.cwd: must be an absolute path"},
      {R"({"process":{"args":["a"],"cwd":"/"}})", "root: must be given"},
      {R"({"process":{"args":["a"],"cwd":"/"},"root":{}})", "root.path: must not be empty"},
      {Document(R"(,"user":{"uid":-1})"), "process.user.uid: must be between 0 and 4294967295, is -1"},
      {Document(R"(,"user":{"uid":4294967296})"), "process.user.uid: must be between"},
      {Document(R"(,"user":{"uid":18446744073709551615})"), "process.user.uid: must be between"},
      {Document(R"(,"user":{"uid":4294967295})"), "process.user.uid"},
      {Document(R"(,"user":{"uid":1.5})"), "process.user.uid: must be a whole number"},
      {Document(R"(,"user":{"uid":1e400})"), "number overflow"},
      {Document(R"(,"user":{"umask":512})"), "process.user.umask"},
      {Document(R"(,"env":["A"])"), "process.env[0]: must be NAME=value"},
      {Document(R"(,"env":["=A"])"), "process.env[0]: must be NAME=value"},
      {Document(R"(,"rlimits":[{"type":"RLIMIT_X"}])"), "process.rlimits[0].type: unknown resource limit"},
      {Document(R"(,"rlimits":[{"type":"RLIMIT_CPU","soft":2,"hard":1}])"), "soft limit 2 is above"},
      {Document(R"(,"rlimits":[{"type":"RLIMIT_CPU"},{"type":"RLIMIT_CPU"}])"), "second entry for RLIMIT_CPU"},
      {Document(R"(,"capabilities":{"bounding":["CAP_X"]})"), "process.capabilities.bounding[0]: unknown capability"},
      {Document(R"(,"oomScoreAdj":1001)"), "process.oomScoreAdj: must be between -1000 and 1000"},
      {Document("", R"(,"hostname":5)"), "hostname: must be a string"},
      {Document("", R"(,"mounts":[{"type":"tmpfs"}])"), "mounts[0].destination: must not be empty"},
      {Document("", R"(,"mounts":[{"destination":"/x","type":"bind"}])"), "mounts[0].source"},
      {Document("", R"(,"mounts":{"destination":"/x"})"), "mounts: must be an array, is an object"},
      {Document("", R"(,"linux":{"namespaces":[{"type":"foo"}]})"), "linux.namespaces[0].type: unknown value \"foo\""},
      {Document("", R"(,"linux":{"namespaces":[{}]})"), "linux.namespaces[0].type: must be given"},
      {Document("", R"(,"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]})"), "second entry of type \"pid\""},
      {Document("", R"(,"linux":{"namespaces":[{"type":"pid","path":"x"}]})"), "must be an absolute path"},
      {Document("", R"(,"linux":{"rootfsPropagation":"x"})"), "linux.rootfsPropagation: unknown value"},
      {Document("", R"(,"linux":{"seccomp":{"defaultAction":"x"}})"), "linux.seccomp.defaultAction: unknown value"},
      {Document("", R"(,"linux":{"seccomp":{}})"), "linux.seccomp.defaultAction: must be given"},
      {Document("", R"(,"linux":{"uidMappings":[{"size":0}]})"), "linux.uidMappings[0]"},
      {Document("", R"(,"hooks":{"prestart":[{"path":"x"}]})"), "hooks.prestart[0].path: must be an absolute"},
      {Document("", R"(,"hooks":{"prestart":[{"path":"/x","args":["\u0000"]}]})"),
       "hooks.prestart[0].args[0]: must not"},
      {Document("", R"(,"hooks":{"poststop":[{"path":"/x","env":["\u0000"]}]})"), "hooks.poststop[0].env[0]: must not"},
      {Document("", R"(,"annotations":{"a":1})"), "annotations.a: must be a string"},
  };
  for (const auto& c : cases) EXPECT_THAT(ErrorOf(c.json), HasSubstr(c.error)) << c.json;
}

std::string ErrorOfLinux(std::string_view fields) { return ErrorOf(Document("", Cat(R"(,"linux":{)", fields, "}"))); }

TEST(ParseSpec, NamesTheWrongPlaceOfLinux) {
  const struct {
    const char *fields, *error;
  } cases[] = {
      {R"("namespaces":[{"type":""}])", "linux.namespaces[0].type: must not be empty"},
      {R"("uidMappings":[{"containerID":1,"hostID":1,"size":1}])", "linux.uidMappings: must map the container's id 0"},
      {R"("gidMappings":[{"size":9},{"containerID":8,"hostID":100,"size":1}])", "linux.gidMappings[1]: overlaps"},
      {R"("gidMappings":[{"size":9},{"containerID":9,"hostID":8,"size":1}])", "linux.gidMappings[1]: overlaps"},
      {R"("gidMappings":[{"size":9},{"containerID":9,"hostID":9,"size":9}])", ""},
      {R"("devices":[{"path":"/dev/x","type":"c","major":4096}])",
       "linux.devices[0].major: must be between 0 and 4095"},
      {R"("devices":[{"path":"/dev/x","type":"b","minor":-1}])", "linux.devices[0].minor: must be between"},
      {R"("devices":[{"path":"/dev/x","type":"p","major":-1}])", ""},
      {R"("cgroupsPath":"/a\nb")", "linux.cgroupsPath: must not contain a line break"},
      {R"("cgroupsPath":"/a\u0000b")", "linux.cgroupsPath: must not contain a NUL"},
      {R"("sysctl":{"kernel.shmmax":"\u0000"})", "linux.sysctl.kernel.shmmax: must not contain a NUL"},
      {R"("resources":{"cpu":{"cpus":"0\n1"}})", "linux.resources.cpu.cpus: must not contain a line break"},
      {R"("resources":{"unified":{"memory.high":"\u0000"}})", "linux.resources.unified.memory.high: must not contain"},
      {R"("seccomp":{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]})",
       "linux.seccomp.architectures: unknown value \"SCMP_ARCH_Z80\""},
      {R"("seccomp":{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X32","SCMP_ARCH_AARCH64"]})", ""},
  };
  for (const auto& c : cases) {
    const bool fine = *c.error == 0;
    EXPECT_THAT(ErrorOfLinux(c.fields), fine ? ::testing::Matcher<std::string>("") : HasSubstr(c.error)) << c.fields;
  }
}

TEST(ParseSpec, BoundsPaths) {
  const std::string path = "/" + std::string(4096, 'x');
  for (const char* field : {"maskedPaths", "readonlyPaths"}) {
    EXPECT_THAT(ErrorOfLinux(Cat("\"", field, "\":[\"", path, "\"]")), HasSubstr("longer than the 4095 bytes"))
        << field;
  }
  EXPECT_THAT(ErrorOf(Document("", Cat(R"(,"mounts":[{"destination":")", path, R"("}])"))),
              HasSubstr("mounts[0].destination: longer than"));
}

TEST(ParseSpec, BoundsDepthAndSize) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THAT(ErrorOf(deep), HasSubstr("nested deeper"));
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(ErrorOf(std::string(kMaxSpecBytes + 1, ' ')), HasSubstr("bytes are more than"));
}

TEST(ParseSpec, SurvivesTruncationAtEveryByte) {
  const std::string json = SpecToJson(TemplateSpec());
  for (size_t n = 0; n + 3 < json.size(); n += 7) EXPECT_NE(ErrorOf(json.substr(0, n)), "") << n;
}

}  // namespace
}  // namespace runsc
