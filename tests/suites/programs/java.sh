# Java: threads that share a counter, NIO channels over lo, a file channel.
set -euo pipefail
cd "$(mktemp -d)"
cat > T.java <<'JAVA'
import java.net.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*;
import java.util.concurrent.*; import java.util.concurrent.atomic.*;
public class T {
  public static void main(String[] a) throws Exception {
    var pool = Executors.newFixedThreadPool(8); var sum = new AtomicLong();
    for (int i = 0; i < 1000; i++) { final int n = i; pool.submit(() -> sum.addAndGet(n)); }
    pool.shutdown(); pool.awaitTermination(30, TimeUnit.SECONDS);
    var server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
    var t = new Thread(() -> { try (var c = SocketChannel.open(server.getLocalAddress())) {
      c.write(ByteBuffer.wrap("over nio".getBytes())); } catch (Exception e) { e.printStackTrace(); } });
    t.start();
    var b = ByteBuffer.allocate(64); try (var c = server.accept()) { while (c.read(b) >= 0); } t.join();
    var f = FileChannel.open(Path.of("f"), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    var m = f.map(FileChannel.MapMode.READ_WRITE, 0, 4096); m.putInt(0, 42); m.force();
    var r = ByteBuffer.allocate(4); f.read(r, 0);
    System.out.println(sum.get() + " " + new String(b.array(), 0, b.position()) + " " + r.getInt(0));
  }
}
JAVA
java T.java | grep -x '499500 over nio 42'
