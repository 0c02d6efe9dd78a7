#include "runsc-cli/install/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace runsc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const RuntimeEntry kEntry = {"runsc", "/usr/bin/runsc", {}};

TEST(DockerConfig, MakesAFileFromNothing) {
  const auto text = AddDockerRuntime("", kEntry, false);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(nlohmann::json::parse(*text)["runtimes"]["runsc"]["path"], "/usr/bin/runsc");
}

TEST(DockerConfig, KeepsWhatIsThereInItsOrder) {
  const auto text =
      AddDockerRuntime(R"({"zeta": 1, "alpha": {"b": [1, 2]}, "runtimes": {"other": {"path": "/x"}}})", kEntry, false);
  ASSERT_TRUE(text.ok());
  EXPECT_LT(text->find("zeta"), text->find("alpha"));
  EXPECT_THAT(*text, HasSubstr("\"other\""));
  EXPECT_EQ(*AddDockerRuntime(*text, kEntry, false), *text);
}

TEST(DockerConfig, DoesNotTouchWhatItCannotRead) {
  for (const char* text : {"{", "[]", "{\"runtimes\": 5}", "{\"a\": 1,}"})
    EXPECT_FALSE(AddDockerRuntime(text, kEntry, true).ok()) << text;
}

TEST(DockerConfig, ReplacesOnlyWhenTold) {
  const char other[] = R"({"runtimes": {"runsc": {"path": "/other"}}})";
  EXPECT_TRUE(absl::IsAlreadyExists(AddDockerRuntime(other, kEntry, false).status()));
  EXPECT_THAT(*AddDockerRuntime(other, kEntry, true), HasSubstr("/usr/bin/runsc"));
}

TEST(DockerConfig, Removes) {
  const auto with = AddDockerRuntime("{\"a\": 1}", kEntry, false);
  EXPECT_EQ(*RemoveDockerRuntime(*with, "runsc"), "{\n    \"a\": 1\n}\n");
  EXPECT_EQ(*RemoveDockerRuntime("{ \"a\":1 }", "runsc"), "{ \"a\":1 }");
}

constexpr char kToml[] =
    "# mine\nversion = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    sandbox_image = \"x\" # comment\n";

TEST(ContainerdConfig, AddsAtTheEndAndRemovesAgain) {
  const auto with = AddContainerdRuntime(kToml, kEntry);
  ASSERT_TRUE(with.ok());
  EXPECT_TRUE(with->starts_with(kToml));
  EXPECT_THAT(*with, HasSubstr("[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc]"));
  EXPECT_THAT(*with, HasSubstr("BinaryName = \"/usr/bin/runsc\""));
  EXPECT_EQ(*AddContainerdRuntime(*with, kEntry), *with);
  EXPECT_EQ(*RemoveContainerdRuntime(*with, "runsc"), kToml);
}

TEST(ContainerdConfig, KnowsBothVersions) {
  EXPECT_THAT(*AddContainerdRuntime("version = 3\n", kEntry), HasSubstr("io.containerd.cri.v1.runtime"));
  EXPECT_THAT(*AddContainerdRuntime("", kEntry), HasSubstr("version = 2\n"));
  EXPECT_FALSE(AddContainerdRuntime("[plugins.cri]\n", kEntry).ok());
}

TEST(ContainerdConfig, LeavesAHandlerOfTheFileAlone) {
  const std::string own = std::string(kToml) + "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc]\n";
  EXPECT_FALSE(AddContainerdRuntime(own, kEntry).ok());
  EXPECT_EQ(*RemoveContainerdRuntime(own, "runsc"), own);
}

TEST(ContainerdConfig, QuotesThePath) {
  EXPECT_THAT(*AddContainerdRuntime("", {"x", "/a\"b\\c", {}}), HasSubstr("\"/a\\\"b\\\\c\""));
}

}  // namespace
}  // namespace runsc
