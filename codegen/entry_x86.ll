; Whether the CPU and its operating system have what a variant needs: rows are { leaf, subleaf, register, mask }
; of cpuid, os the bits of XCR0. A row for OSXSAVE is among them when os is not 0.
define hidden i1 @adze.cpu_ok(ptr %rows, i32 %n, i64 %os) {
entry:
  %regs = alloca [4 x i32]
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %register ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %state, label %level
level:
  %row = getelementptr { i32, i32, i32, i32 }, ptr %rows, i32 %i
  %leaf = load i32, ptr %row
  %base = and i32 %leaf, -2147483648
  %top = call { i32, i32, i32, i32 } asm sideeffect "cpuid", "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"(i32 %base, i32 0)
  %max = extractvalue { i32, i32, i32, i32 } %top, 0
  %absent = icmp ult i32 %max, %leaf
  br i1 %absent, label %no, label %register
register:
  %sub.at = getelementptr { i32, i32, i32, i32 }, ptr %row, i32 0, i32 1
  %sub = load i32, ptr %sub.at
  %all = call { i32, i32, i32, i32 } asm sideeffect "cpuid", "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"(i32 %leaf, i32 %sub)
  store { i32, i32, i32, i32 } %all, ptr %regs
  %reg.at = getelementptr { i32, i32, i32, i32 }, ptr %row, i32 0, i32 2
  %reg = load i32, ptr %reg.at
  %value.at = getelementptr i32, ptr %regs, i32 %reg
  %value = load i32, ptr %value.at
  %mask.at = getelementptr { i32, i32, i32, i32 }, ptr %row, i32 0, i32 3
  %mask = load i32, ptr %mask.at
  %have = and i32 %value, %mask
  %ok = icmp eq i32 %have, %mask
  %next = add i32 %i, 1
  br i1 %ok, label %head, label %no
state:
  %stateless = icmp eq i64 %os, 0
  br i1 %stateless, label %yes, label %xcr0
xcr0:
  %pair = call { i32, i32 } asm sideeffect "xgetbv", "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}"(i32 0)
  %low.32 = extractvalue { i32, i32 } %pair, 0
  %high.32 = extractvalue { i32, i32 } %pair, 1
  %low = zext i32 %low.32 to i64
  %high = zext i32 %high.32 to i64
  %shifted = shl i64 %high, 32
  %set = or i64 %low, %shifted
  %saved = and i64 %set, %os
  %enabled = icmp eq i64 %saved, %os
  br i1 %enabled, label %yes, label %no
yes:
  ret i1 true
no:
  ret i1 false
}
