// Who is asking, for the few objects that answer each process differently and are not told (signalfd).
#pragma once

namespace runsc {

class Task;

// The task whose thread this is; null on the sentry's own threads.
Task* CurrentTask();

}  // namespace runsc
