// Runs many shell commands one after the other inside a container and reports each one's output.
//
// Reads cases from standard input, each "NAME UID CWD COMMAND_LENGTH STDIN_LENGTH\n" and the bytes;
// writes "\x1e" "B NAME\n" before a case, and after it
// "\x1e" "E NAME WAIT_STATUS STDOUT_LENGTH STDERR_LENGTH\n" and the bytes.
// Uses as little of the kernel as it can, so that a fault shows in the case that has it.

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

struct Case {
  std::string name, cwd, command, input;
  unsigned uid = 0;
};

[[noreturn]] void Die(const char* what) {
  perror(what);
  _exit(97);
}

std::string ReadBytes(size_t count) {
  std::string bytes(count, '\0');
  if (fread(bytes.data(), 1, count, stdin) != count) Die("driver: truncated input");
  return bytes;
}

bool ReadCase(Case* out) {
  char name[128], cwd[256];
  size_t command_length, input_length;
  if (scanf("%127s %u %255s %zu %zu", name, &out->uid, cwd, &command_length, &input_length) != 5) {
    return false;
  }
  if (getchar() != '\n') Die("driver: bad header");
  out->name = name;
  out->cwd = cwd;
  out->command = ReadBytes(command_length);
  out->input = ReadBytes(input_length);
  return true;
}

// Files, not pipes: what a left-over background process still holds open must not stall the driver.
int OpenScratch(const std::string& name) {
  const std::string path = "/tmp/.driver-" + name;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) Die(path.c_str());
  unlink(path.c_str());
  return fd;
}

int OpenInput(const std::string& input) {
  if (input.empty()) {
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0) Die("/dev/null");
    return null;
  }
  const int fd = OpenScratch("in");
  if (write(fd, input.data(), input.size()) != static_cast<ssize_t>(input.size())) Die("write");
  lseek(fd, 0, SEEK_SET);
  return fd;
}

[[noreturn]] void RunChild(const Case& test, int in, int out, int err) {
  setsid();
  umask(022);
  if (chdir(test.cwd.c_str()) != 0) Die(test.cwd.c_str());
  if (test.uid != 0) {
    if (setgroups(0, nullptr) != 0 || setgid(test.uid) != 0 || setuid(test.uid) != 0) Die("setuid");
  }
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  execl("/bin/bash", "bash", "-c", test.command.c_str(), nullptr);
  Die("/bin/bash");
}

int WaitFor(pid_t child) {
  int status = 0;
  for (;;) {
    const pid_t pid = waitpid(-1, &status, 0);  // pid 1 reaps orphans too
    if (pid == child) return status;
    if (pid < 0) Die("waitpid");
  }
}

// What a case left running must not disturb the next. Only where we are the init of a pid namespace.
void KillLeftovers() {
  if (getpid() != 1) return;
  kill(-1, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0) {
  }
}

std::string Contents(int fd) {
  std::string all;
  char buffer[65536];
  lseek(fd, 0, SEEK_SET);
  ssize_t n;
  while ((n = read(fd, buffer, sizeof(buffer))) > 0) all.append(buffer, n);
  return all;
}

void Report(const Case& test, int status, const std::string& out, const std::string& err) {
  printf(
      "\x1e"
      "E %s %d %zu %zu\n",
      test.name.c_str(), status, out.size(), err.size());
  fwrite(out.data(), 1, out.size(), stdout);
  fwrite(err.data(), 1, err.size(), stdout);
  fflush(stdout);
}

void RunCase(const Case& test) {
  printf(
      "\x1e"
      "B %s\n",
      test.name.c_str());
  fflush(stdout);
  mkdir(test.cwd.c_str(), 0755);
  if (test.uid != 0 && chown(test.cwd.c_str(), test.uid, test.uid) != 0) Die("chown");
  const int in = OpenInput(test.input), out = OpenScratch("out"), err = OpenScratch("err");
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) RunChild(test, in, out, err);
  const int status = WaitFor(child);
  KillLeftovers();
  Report(test, status, Contents(out), Contents(err));
  close(in);
  close(out);
  close(err);
}

}  // namespace

int main() {
  std::vector<Case> cases;
  for (Case next; ReadCase(&next);) cases.push_back(next);
  for (const Case& test : cases) RunCase(test);
  return 0;
}
