#!/bin/bash
# java.sh - java: its collector and compiler take native memory from malloc, in many threads.
. "$(dirname "$0")/../lib.sh"
need java javac

cat >Work.java <<'END'
import java.util.*;
import java.util.stream.*;
import java.util.zip.*;
public class Work {
    public static void main(String[] a) throws Exception {
        long sum = IntStream.range(0, 64).parallel().mapToLong(Work::pack).sum();
        System.out.println(sum);
    }
    static long pack(int seed) {
        Random r = new Random(seed); byte[] in = new byte[200000 + seed * 1000];
        for (int i = 0; i < in.length; i++) in[i] = (byte) (r.nextInt(7) * 3);
        Deflater d = new Deflater(); d.setInput(in); d.finish();
        byte[] out = new byte[in.length * 2]; int n = d.deflate(out); d.end();
        CRC32 c = new CRC32(); c.update(out, 0, n); return c.getValue();
    }
}
END
javac Work.java || skip "javac does not work here"
same_output java java -Xmx256m Work
