; The entry points that every compiled model gets: select, shape, scratch and run of adze_model.h, and the
; memory functions that LLVM may call. emit_module.c adds the tables they read (their layout is given here),
; links this into the model's module and makes everything but the descriptor internal.
;
; This text is compiled for the baseline of the architecture, so that run can return ADZE_NO_CPU before any
; wider instruction. No optimisation passes run over it. What depends on the target is put before it: the type %usize
; (size_t), adze.usize and adze.to_usize (from it to i64 and back), and adze.cpu_ok.

; What adze_model.h declares.
%call = type { i32, i32, ptr, ptr, ptr, %usize, ptr, ptr }  ; size variant symbols port scratch bytes weights exec
%exec = type { i32, i32, ptr, ptr, ptr, ptr }               ; size workers pool parallel_for clock ticks

; A dimension: v >= 0 is itself, a negative one is expression -1 - v.
%program = type { i32, i32, i32, i32, i32, i32 }  ; ports symbols variants exprs max_operands max_dims
%port = type { ptr, i32, i32 }                    ; dims rank alignment
%variant = type { ptr, ptr, ptr, i32, i32, i64, i64, i64, ptr }
                                          ; lo hi cpu_rows n_cpu_rows n_steps os scratch worker_scratch steps
%step = type { ptr, ptr, ptr, i64, i32, i32, i32 }  ; kernel operands dims items n_operands n_dims grain
%operand = type { i32, i32, i64 }                   ; space index offset
%weights_id = type { i64, i64, [4 x i64] }          ; magic bytes hash: the start of a weights file; magic 0: inside

@adze.program = external hidden constant %program
@adze.ports = external hidden constant [0 x %port]
@adze.variants = external hidden constant [0 x %variant]
@adze.weights = external hidden constant [0 x i8]
@adze.weights_id = external hidden constant %weights_id

; Writes the values of all expressions.
declare hidden void @adze.exprs(ptr, ptr)

; What the items of one step have in common, for adze.body.
; kernel bufs dims worker_scratch worker_bytes n_operands items chunk
%job = type { ptr, ptr, ptr, ptr, i64, i32, i32, i32 }

define hidden i64 @adze.dim(i64 %dim, ptr %exprs) {
  %fixed = icmp sge i64 %dim, 0
  br i1 %fixed, label %constant, label %computed
constant:
  ret i64 %dim
computed:
  %i = xor i64 %dim, -1
  %at = getelementptr i64, ptr %exprs, i64 %i
  %value = load i64, ptr %at
  ret i64 %value
}

; Whether the symbols lie in a variant's ranges.
define hidden i1 @adze.in_range(ptr %variant, ptr %symbols) {
entry:
  %n.at = getelementptr %program, ptr @adze.program, i32 0, i32 1
  %n = load i32, ptr %n.at
  %lo = load ptr, ptr %variant
  %hi.at = getelementptr %variant, ptr %variant, i32 0, i32 1
  %hi = load ptr, ptr %hi.at
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %body ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %yes, label %body
body:
  %value.at = getelementptr i64, ptr %symbols, i32 %i
  %value = load i64, ptr %value.at
  %l.at = getelementptr i64, ptr %lo, i32 %i
  %l = load i64, ptr %l.at
  %h.at = getelementptr i64, ptr %hi, i32 %i
  %h = load i64, ptr %h.at
  %above = icmp sge i64 %value, %l
  %below = icmp sle i64 %value, %h
  %inside = and i1 %above, %below
  %next = add i32 %i, 1
  br i1 %inside, label %head, label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Whether the CPU has what a variant needs.
define hidden i1 @adze.variant_ok(ptr %variant) {
  %rows.at = getelementptr %variant, ptr %variant, i32 0, i32 2
  %rows = load ptr, ptr %rows.at
  %n.at = getelementptr %variant, ptr %variant, i32 0, i32 3
  %n = load i32, ptr %n.at
  %os.at = getelementptr %variant, ptr %variant, i32 0, i32 5
  %os = load i64, ptr %os.at
  %ok = call i1 @adze.cpu_ok(ptr %rows, i32 %n, i64 %os)
  ret i1 %ok
}

; Symbols may be null when there are none.
define hidden i1 @adze.symbols_missing(ptr %symbols) {
  %n.at = getelementptr %program, ptr @adze.program, i32 0, i32 1
  %n = load i32, ptr %n.at
  %some = icmp ne i32 %n, 0
  %null = icmp eq ptr %symbols, null
  %missing = and i1 %some, %null
  ret i1 %missing
}

define hidden i32 @adze.select(ptr %symbols, ptr %out) {
entry:
  %no.out = icmp eq ptr %out, null
  %missing = call i1 @adze.symbols_missing(ptr %symbols)
  %bad = or i1 %no.out, %missing
  br i1 %bad, label %bad_argument, label %start
start:
  %n.at = getelementptr %program, ptr @adze.program, i32 0, i32 2
  %n = load i32, ptr %n.at
  br label %head
head:
  %i = phi i32 [ 0, %start ], [ %next, %again ]
  %code = phi i32 [ 4, %start ], [ %code.next, %again ] ; ADZE_OUT_OF_RANGE until a range fits
  %done = icmp eq i32 %i, %n
  br i1 %done, label %none, label %range
range:
  %variant = getelementptr %variant, ptr @adze.variants, i32 %i
  %inside = call i1 @adze.in_range(ptr %variant, ptr %symbols)
  br i1 %inside, label %cpu, label %again
cpu:
  %ok = call i1 @adze.variant_ok(ptr %variant)
  br i1 %ok, label %found, label %again
again:
  %code.next = phi i32 [ %code, %range ], [ 2, %cpu ] ; ADZE_NO_CPU
  %next = add i32 %i, 1
  br label %head
found:
  %selected = or i32 %i, 1073741824 ; ADZE_SELECTED
  store i32 %selected, ptr %out
  ret i32 0
none:
  ret i32 %code
bad_argument:
  ret i32 3
}

; Resolves adze_call.variant to an index; checks the range of the symbols and, for run, the CPU.
define hidden i32 @adze.find(i32 %wanted, ptr %symbols, i1 %check_cpu, ptr %index) {
entry:
  %choose = icmp eq i32 %wanted, -1
  br i1 %choose, label %select, label %given
select:
  %code = call i32 @adze.select(ptr %symbols, ptr %index)
  %failed = icmp ne i32 %code, 0
  br i1 %failed, label %fail, label %chosen
fail:
  ret i32 %code
chosen:
  %selected = load i32, ptr %index
  %chosen.index = and i32 %selected, 65535
  store i32 %chosen.index, ptr %index
  ret i32 0
given:
  %i = and i32 %wanted, -1073741825 ; without ADZE_SELECTED
  %flag = and i32 %wanted, 1073741824
  %trusted = icmp ne i32 %flag, 0
  %n.at = getelementptr %program, ptr @adze.program, i32 0, i32 2
  %n = load i32, ptr %n.at
  %outside = icmp uge i32 %i, %n
  %missing = call i1 @adze.symbols_missing(ptr %symbols)
  %bad = or i1 %outside, %missing
  br i1 %bad, label %bad_argument, label %range
range:
  store i32 %i, ptr %index
  %variant = getelementptr %variant, ptr @adze.variants, i32 %i
  %inside = call i1 @adze.in_range(ptr %variant, ptr %symbols)
  br i1 %inside, label %cpu, label %out_of_range
cpu:
  %distrust = xor i1 %trusted, true
  %look = and i1 %distrust, %check_cpu
  br i1 %look, label %look_at_cpu, label %good
look_at_cpu:
  %ok = call i1 @adze.variant_ok(ptr %variant)
  br i1 %ok, label %good, label %no_cpu
good:
  ret i32 0
bad_argument:
  ret i32 3
out_of_range:
  ret i32 4
no_cpu:
  ret i32 2
}

; A shape is the same in every variant, so any variant whose range fits vouches for the expressions.
define hidden i32 @adze.shape(i32 %port, ptr %symbols, ptr %dims) {
entry:
  %n.at = getelementptr %program, ptr @adze.program, i32 0, i32 0
  %n = load i32, ptr %n.at
  %outside = icmp uge i32 %port, %n
  %missing = call i1 @adze.symbols_missing(ptr %symbols)
  %bad = or i1 %outside, %missing
  br i1 %bad, label %bad_argument, label %start
start:
  %row = getelementptr %port, ptr @adze.ports, i32 %port
  %from = load ptr, ptr %row
  %rank.at = getelementptr %port, ptr %row, i32 0, i32 1
  %rank = load i32, ptr %rank.at
  %scalar = icmp eq i32 %rank, 0
  %null = icmp eq ptr %dims, null
  br i1 %scalar, label %good, label %some
some:
  br i1 %null, label %bad_argument, label %ranges
ranges:
  %variants.at = getelementptr %program, ptr @adze.program, i32 0, i32 2
  %variants = load i32, ptr %variants.at
  br label %range.head
range.head:
  %v = phi i32 [ 0, %ranges ], [ %v.next, %range.body ]
  %none = icmp eq i32 %v, %variants
  br i1 %none, label %out_of_range, label %range.body
range.body:
  %variant = getelementptr %variant, ptr @adze.variants, i32 %v
  %inside = call i1 @adze.in_range(ptr %variant, ptr %symbols)
  %v.next = add i32 %v, 1
  br i1 %inside, label %fits, label %range.head
fits:
  %exprs.at = getelementptr %program, ptr @adze.program, i32 0, i32 3
  %n.exprs = load i32, ptr %exprs.at
  %exprs = alloca i64, i32 %n.exprs
  call void @adze.exprs(ptr %symbols, ptr %exprs)
  br label %head
head:
  %i = phi i32 [ 0, %fits ], [ %next, %head ]
  %at = getelementptr i64, ptr %from, i32 %i
  %dim = load i64, ptr %at
  %value = call i64 @adze.dim(i64 %dim, ptr %exprs)
  %to = getelementptr i64, ptr %dims, i32 %i
  store i64 %value, ptr %to
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, %rank
  br i1 %done, label %good, label %head
good:
  ret i32 0
bad_argument:
  ret i32 3
out_of_range:
  ret i32 4
}

define hidden i64 @adze.scratch_bytes(ptr %variant, i32 %workers) {
  %shared.at = getelementptr %variant, ptr %variant, i32 0, i32 6
  %shared = load i64, ptr %shared.at
  %worker.at = getelementptr %variant, ptr %variant, i32 0, i32 7
  %worker = load i64, ptr %worker.at
  %n = zext i32 %workers to i64
  %private = mul i64 %n, %worker
  %bytes = add i64 %shared, %private
  ret i64 %bytes
}

define hidden i32 @adze.scratch(i32 %wanted, ptr %symbols, i32 %workers, ptr %out) {
entry:
  %index = alloca i32
  %null = icmp eq ptr %out, null
  %less = sub i32 %workers, 1
  %many = icmp uge i32 %less, 65534
  %bad = or i1 %null, %many
  br i1 %bad, label %bad_argument, label %find
find:
  %code = call i32 @adze.find(i32 %wanted, ptr %symbols, i1 false, ptr %index)
  %failed = icmp ne i32 %code, 0
  br i1 %failed, label %fail, label %found
fail:
  ret i32 %code
found:
  %i = load i32, ptr %index
  %variant = getelementptr %variant, ptr @adze.variants, i32 %i
  %bytes = call i64 @adze.scratch_bytes(ptr %variant, i32 %workers)
  %size = call %usize @adze.to_usize(i64 %bytes)
  store %usize %size, ptr %out
  ret i32 0
bad_argument:
  ret i32 3
}

; ADZE_BAD_ARGUMENT when a port with elements is null or not aligned to its element type.
define hidden i32 @adze.check_ports(ptr %ports, ptr %exprs) {
entry:
  %n = load i32, ptr @adze.program
  %none = icmp eq i32 %n, 0
  br i1 %none, label %good, label %some
some:
  %null = icmp eq ptr %ports, null
  br i1 %null, label %bad, label %head
head:
  %p = phi i32 [ 0, %some ], [ %p.next, %again ]
  %row = getelementptr %port, ptr @adze.ports, i32 %p
  %dims = load ptr, ptr %row
  %rank.at = getelementptr %port, ptr %row, i32 0, i32 1
  %rank = load i32, ptr %rank.at
  br label %dim.head
dim.head:
  %i = phi i32 [ 0, %head ], [ %i.next, %dim.body ]
  %last = icmp eq i32 %i, %rank
  br i1 %last, label %pointer, label %dim.body
dim.body:
  %dim.at = getelementptr i64, ptr %dims, i32 %i
  %dim = load i64, ptr %dim.at
  %value = call i64 @adze.dim(i64 %dim, ptr %exprs)
  %i.next = add i32 %i, 1
  %empty = icmp eq i64 %value, 0
  br i1 %empty, label %again, label %dim.head
pointer:
  %at = getelementptr ptr, ptr %ports, i32 %p
  %port = load ptr, ptr %at
  %missing = icmp eq ptr %port, null
  %align.at = getelementptr %port, ptr %row, i32 0, i32 2
  %align = load i32, ptr %align.at
  %below = sub i32 %align, 1
  %address = ptrtoint ptr %port to i64
  %low = trunc i64 %address to i32
  %rest = and i32 %low, %below
  %misaligned = icmp ne i32 %rest, 0
  %wrong = or i1 %missing, %misaligned
  br i1 %wrong, label %bad, label %again
again:
  %p.next = add i32 %p, 1
  %done = icmp eq i32 %p.next, %n
  br i1 %done, label %good, label %head
good:
  ret i32 0
bad:
  ret i32 3
}

; The address of the packed weights, or null when they are not those the model was compiled with.
define hidden ptr @adze.find_weights(ptr %given) {
entry:
  %magic = load i64, ptr @adze.weights_id
  %inside = icmp eq i64 %magic, 0
  br i1 %inside, label %own, label %external
own:
  ret ptr @adze.weights
external:
  %null = icmp eq ptr %given, null
  br i1 %null, label %wrong, label %alignment
alignment:
  %address = ptrtoint ptr %given to i64
  %rest = and i64 %address, 63
  %misaligned = icmp ne i64 %rest, 0
  br i1 %misaligned, label %wrong, label %head
head: ; the six words of the header
  %i = phi i32 [ 0, %alignment ], [ %next, %body ]
  %done = icmp eq i32 %i, 6
  br i1 %done, label %right, label %body
body:
  %a.at = getelementptr i64, ptr %given, i32 %i
  %a = load i64, ptr %a.at
  %b.at = getelementptr i64, ptr @adze.weights_id, i32 %i
  %b = load i64, ptr %b.at
  %next = add i32 %i, 1
  %same = icmp eq i64 %a, %b
  br i1 %same, label %head, label %wrong
right:
  %bytes = getelementptr i8, ptr %given, i64 64
  ret ptr %bytes
wrong:
  ret ptr null
}

; Whether scratch memory is there, aligned, and large enough.
define hidden i1 @adze.scratch_ok(ptr %variant, ptr %call, i32 %workers) {
entry:
  %need = call i64 @adze.scratch_bytes(ptr %variant, i32 %workers)
  %none = icmp eq i64 %need, 0
  br i1 %none, label %good, label %look
look:
  %at = getelementptr %call, ptr %call, i32 0, i32 4
  %scratch = load ptr, ptr %at
  %null = icmp eq ptr %scratch, null
  %address = ptrtoint ptr %scratch to i64
  %rest = and i64 %address, 63
  %misaligned = icmp ne i64 %rest, 0
  %bytes.at = getelementptr %call, ptr %call, i32 0, i32 5
  %bytes.size = load %usize, ptr %bytes.at
  %bytes = call i64 @adze.usize(%usize %bytes.size)
  %small = icmp ult i64 %bytes, %need
  %bad.0 = or i1 %null, %misaligned
  %bad = or i1 %bad.0, %small
  br i1 %bad, label %wrong, label %good
good:
  ret i1 true
wrong:
  ret i1 false
}

; Fills in the operands' addresses of a step.
define hidden void @adze.operands(ptr %step, ptr %ports, ptr %scratch, ptr %weights, ptr %bufs) {
entry:
  %operands.at = getelementptr %step, ptr %step, i32 0, i32 1
  %operands = load ptr, ptr %operands.at
  %n.at = getelementptr %step, ptr %step, i32 0, i32 4
  %n = load i32, ptr %n.at
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %store ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %end, label %body
body:
  %row = getelementptr %operand, ptr %operands, i32 %i
  %space = load i32, ptr %row
  %offset.at = getelementptr %operand, ptr %row, i32 0, i32 2
  %offset = load i64, ptr %offset.at
  switch i32 %space, label %port [ i32 1, label %store
                                   i32 2, label %constant
                                   i32 3, label %none ]
port:
  %index.at = getelementptr %operand, ptr %row, i32 0, i32 1
  %index = load i32, ptr %index.at
  %port.at = getelementptr ptr, ptr %ports, i32 %index
  %port.base = load ptr, ptr %port.at
  br label %store
constant:
  br label %store
none:
  br label %store
store:
  %base = phi ptr [ %port.base, %port ], [ %scratch, %body ], [ %weights, %constant ], [ null, %none ]
  %address = getelementptr i8, ptr %base, i64 %offset
  %to = getelementptr ptr, ptr %bufs, i32 %i
  store ptr %address, ptr %to
  %next = add i32 %i, 1
  br label %head
end:
  ret void
}

; Fills in the dims of a step.
define hidden void @adze.dims(ptr %step, ptr %exprs, ptr %dims) {
entry:
  %from.at = getelementptr %step, ptr %step, i32 0, i32 2
  %from = load ptr, ptr %from.at
  %n.at = getelementptr %step, ptr %step, i32 0, i32 5
  %n = load i32, ptr %n.at
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %body ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %end, label %body
body:
  %at = getelementptr i64, ptr %from, i32 %i
  %dim = load i64, ptr %at
  %value = call i64 @adze.dim(i64 %dim, ptr %exprs)
  %to = getelementptr i64, ptr %dims, i32 %i
  store i64 %value, ptr %to
  %next = add i32 %i, 1
  br label %head
end:
  ret void
}

; One call of parallel_for: the items of a chunk, in the scratch memory of a worker.
define hidden void @adze.body(ptr %job, i32 %item, i32 %worker) {
entry:
  %kernel = load ptr, ptr %job
  %bufs.at = getelementptr %job, ptr %job, i32 0, i32 1
  %bufs = load ptr, ptr %bufs.at
  %dims.at = getelementptr %job, ptr %job, i32 0, i32 2
  %dims = load ptr, ptr %dims.at
  %scratch.at = getelementptr %job, ptr %job, i32 0, i32 3
  %scratch = load ptr, ptr %scratch.at
  %bytes.at = getelementptr %job, ptr %job, i32 0, i32 4
  %bytes = load i64, ptr %bytes.at
  %n.at = getelementptr %job, ptr %job, i32 0, i32 5
  %n = load i32, ptr %n.at
  %items.at = getelementptr %job, ptr %job, i32 0, i32 6
  %items = load i32, ptr %items.at
  %chunk.at = getelementptr %job, ptr %job, i32 0, i32 7
  %chunk = load i32, ptr %chunk.at
  %slots = add i32 %n, 1
  %own = alloca ptr, i32 %slots
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %body ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %run, label %body
body:
  %from = getelementptr ptr, ptr %bufs, i32 %i
  %buf = load ptr, ptr %from
  %to = getelementptr ptr, ptr %own, i32 %i
  store ptr %buf, ptr %to
  %next = add i32 %i, 1
  br label %head
run:
  %worker.wide = zext i32 %worker to i64
  %offset = mul i64 %worker.wide, %bytes
  %own.scratch = getelementptr i8, ptr %scratch, i64 %offset
  %last = getelementptr ptr, ptr %own, i32 %n
  store ptr %own.scratch, ptr %last
  %lo = mul i32 %item, %chunk ; below the number of items
  %left = sub i32 %items, %lo
  %short = icmp ult i32 %left, %chunk
  %count = select i1 %short, i32 %left, i32 %chunk
  %hi = add i32 %lo, %count
  call void %kernel(ptr %own, ptr %dims, i32 %lo, i32 %hi)
  ret void
}

; How many items a worker takes at once: a sixteenth of its share or less, so that all end at about the same time and
; a worker that is held up does not hold up the rest, but not fewer than the grain.
define hidden i32 @adze.chunk(ptr %step, i64 %items, i32 %workers) {
  %wide = zext i32 %workers to i64
  %parts = mul i64 %wide, 16
  %share = udiv i64 %items, %parts
  %grain.at = getelementptr %step, ptr %step, i32 0, i32 6
  %grain.32 = load i32, ptr %grain.at
  %grain = zext i32 %grain.32 to i64
  %fine = icmp ult i64 %share, %grain
  %chunk = select i1 %fine, i64 %grain, i64 %share
  %all = icmp ugt i64 %chunk, %items
  %clipped = select i1 %all, i64 %items, i64 %chunk
  %result = trunc i64 %clipped to i32
  ret i32 %result
}

; Runs all items of a step. Null %parallel: in this thread.
define hidden void @adze.run_step(ptr %step, ptr %bufs, ptr %dims, i64 %items, ptr %worker_scratch,
                                  i64 %worker_bytes, ptr %parallel, ptr %pool, i32 %workers) {
entry:
  %job = alloca %job
  %kernel = load ptr, ptr %step
  store ptr %kernel, ptr %job
  %bufs.at = getelementptr %job, ptr %job, i32 0, i32 1
  store ptr %bufs, ptr %bufs.at
  %dims.at = getelementptr %job, ptr %job, i32 0, i32 2
  store ptr %dims, ptr %dims.at
  %scratch.at = getelementptr %job, ptr %job, i32 0, i32 3
  store ptr %worker_scratch, ptr %scratch.at
  %bytes.at = getelementptr %job, ptr %job, i32 0, i32 4
  store i64 %worker_bytes, ptr %bytes.at
  %n.from = getelementptr %step, ptr %step, i32 0, i32 4
  %n = load i32, ptr %n.from
  %n.at = getelementptr %job, ptr %job, i32 0, i32 5
  store i32 %n, ptr %n.at
  %items.at = getelementptr %job, ptr %job, i32 0, i32 6
  %items.32 = trunc i64 %items to i32
  store i32 %items.32, ptr %items.at
  %chunk.at = getelementptr %job, ptr %job, i32 0, i32 7
  %alone = icmp eq ptr %parallel, null
  br i1 %alone, label %serial, label %share
share:
  %chunk = call i32 @adze.chunk(ptr %step, i64 %items, i32 %workers)
  %whole = icmp eq i32 %chunk, %items.32
  br i1 %whole, label %serial, label %together
together:
  store i32 %chunk, ptr %chunk.at
  %below = sub i32 %chunk, 1
  %below.wide = zext i32 %below to i64
  %sum = add i64 %items, %below.wide
  %chunk.wide = zext i32 %chunk to i64
  %chunks.wide = udiv i64 %sum, %chunk.wide
  %chunks = trunc i64 %chunks.wide to i32
  call void %parallel(ptr %pool, ptr @adze.body, ptr %job, i32 %chunks)
  ret void
serial:
  store i32 %items.32, ptr %chunk.at
  call void @adze.body(ptr %job, i32 0, i32 0)
  ret void
}

; The walk over a variant's steps. %exec may be null.
define hidden void @adze.walk(ptr %variant, ptr %ports, ptr %scratch, ptr %weights, ptr %exec, ptr %exprs) {
entry:
  %operands.max.at = getelementptr %program, ptr @adze.program, i32 0, i32 4
  %operands.max = load i32, ptr %operands.max.at
  %bufs = alloca ptr, i32 %operands.max
  %dims.max.at = getelementptr %program, ptr @adze.program, i32 0, i32 5
  %dims.max = load i32, ptr %dims.max.at
  %dims = alloca i64, i32 %dims.max
  %n.at = getelementptr %variant, ptr %variant, i32 0, i32 4
  %n = load i32, ptr %n.at
  %shared.at = getelementptr %variant, ptr %variant, i32 0, i32 6
  %shared = load i64, ptr %shared.at
  %worker_scratch = getelementptr i8, ptr %scratch, i64 %shared
  %worker_bytes.at = getelementptr %variant, ptr %variant, i32 0, i32 7
  %worker_bytes = load i64, ptr %worker_bytes.at
  %steps.at = getelementptr %variant, ptr %variant, i32 0, i32 8
  %steps = load ptr, ptr %steps.at
  %no.exec = icmp eq ptr %exec, null
  br i1 %no.exec, label %ready, label %read
read:
  %workers.at = getelementptr %exec, ptr %exec, i32 0, i32 1
  %workers.given = load i32, ptr %workers.at
  %pool.at = getelementptr %exec, ptr %exec, i32 0, i32 2
  %pool.given = load ptr, ptr %pool.at
  %parallel.at = getelementptr %exec, ptr %exec, i32 0, i32 3
  %parallel.given = load ptr, ptr %parallel.at
  %several = icmp ugt i32 %workers.given, 1
  %parallel.used = select i1 %several, ptr %parallel.given, ptr null
  %clock.at = getelementptr %exec, ptr %exec, i32 0, i32 4
  %clock.given = load ptr, ptr %clock.at
  %ticks.at = getelementptr %exec, ptr %exec, i32 0, i32 5
  %ticks.given = load ptr, ptr %ticks.at
  br label %ready
ready:
  %workers = phi i32 [ 1, %entry ], [ %workers.given, %read ]
  %pool = phi ptr [ null, %entry ], [ %pool.given, %read ]
  %parallel = phi ptr [ null, %entry ], [ %parallel.used, %read ]
  %clock = phi ptr [ null, %entry ], [ %clock.given, %read ]
  %ticks = phi ptr [ null, %entry ], [ %ticks.given, %read ]
  %untimed = icmp eq ptr %clock, null
  br label %head
head:
  %i = phi i32 [ 0, %ready ], [ %next, %again ]
  %done = icmp eq i32 %i, %n
  br i1 %done, label %end, label %begin
begin:
  br i1 %untimed, label %prepare, label %tick
tick:
  %tick.value = call i64 %clock(ptr %pool)
  br label %prepare
prepare:
  %before = phi i64 [ 0, %begin ], [ %tick.value, %tick ]
  %step = getelementptr %step, ptr %steps, i32 %i
  %items.at = getelementptr %step, ptr %step, i32 0, i32 3
  %items.dim = load i64, ptr %items.at
  %items = call i64 @adze.dim(i64 %items.dim, ptr %exprs)
  %empty = icmp eq i64 %items, 0
  br i1 %empty, label %after, label %step.run
step.run:
  call void @adze.operands(ptr %step, ptr %ports, ptr %scratch, ptr %weights, ptr %bufs)
  call void @adze.dims(ptr %step, ptr %exprs, ptr %dims)
  call void @adze.run_step(ptr %step, ptr %bufs, ptr %dims, i64 %items, ptr %worker_scratch, i64 %worker_bytes,
                           ptr %parallel, ptr %pool, i32 %workers)
  br label %after
after:
  br i1 %untimed, label %again, label %tock
tock:
  %tock.value = call i64 %clock(ptr %pool)
  %spent = sub i64 %tock.value, %before
  %to = getelementptr i64, ptr %ticks, i32 %i
  store i64 %spent, ptr %to
  br label %again
again:
  %next = add i32 %i, 1
  br label %head
end:
  ret void
}

; The number of workers, 0 when the exec is wrong.
define hidden i32 @adze.workers(ptr %exec) {
entry:
  %null = icmp eq ptr %exec, null
  br i1 %null, label %alone, label %given
alone:
  ret i32 1
given:
  %n.at = getelementptr %exec, ptr %exec, i32 0, i32 1
  %n = load i32, ptr %n.at
  %clock.at = getelementptr %exec, ptr %exec, i32 0, i32 4
  %clock = load ptr, ptr %clock.at
  %ticks.at = getelementptr %exec, ptr %exec, i32 0, i32 5
  %ticks = load ptr, ptr %ticks.at
  %many = icmp ugt i32 %n, 65534
  %timed = icmp ne ptr %clock, null
  %nowhere = icmp eq ptr %ticks, null
  %lost = and i1 %timed, %nowhere
  %wrong = or i1 %many, %lost
  %result = select i1 %wrong, i32 0, i32 %n
  ret i32 %result
}

define hidden i32 @adze.run(ptr %call) {
entry:
  %index = alloca i32
  %n.exprs.at = getelementptr %program, ptr @adze.program, i32 0, i32 3
  %n.exprs = load i32, ptr %n.exprs.at
  %exprs = alloca i64, i32 %n.exprs
  %null = icmp eq ptr %call, null
  br i1 %null, label %bad_argument, label %version
version:
  %size.min.at = getelementptr %call, ptr null, i32 1
  %size.min = ptrtoint ptr %size.min.at to i32
  %size = load i32, ptr %call
  %old = icmp ult i32 %size, %size.min
  br i1 %old, label %wrong_abi, label %exec.look
exec.look:
  %exec.at = getelementptr %call, ptr %call, i32 0, i32 7
  %exec = load ptr, ptr %exec.at
  %no.exec = icmp eq ptr %exec, null
  br i1 %no.exec, label %exec.known, label %exec.version
exec.version:
  %exec.min.at = getelementptr %exec, ptr null, i32 1
  %exec.min = ptrtoint ptr %exec.min.at to i32
  %exec.size = load i32, ptr %exec
  %exec.old = icmp ult i32 %exec.size, %exec.min
  br i1 %exec.old, label %wrong_abi, label %exec.known
exec.known:
  %workers = call i32 @adze.workers(ptr %exec)
  %no.workers = icmp eq i32 %workers, 0
  br i1 %no.workers, label %bad_argument, label %find
find:
  %symbols.at = getelementptr %call, ptr %call, i32 0, i32 2
  %symbols = load ptr, ptr %symbols.at
  %wanted.at = getelementptr %call, ptr %call, i32 0, i32 1
  %wanted = load i32, ptr %wanted.at
  %found = call i32 @adze.find(i32 %wanted, ptr %symbols, i1 true, ptr %index)
  %not.found = icmp ne i32 %found, 0
  br i1 %not.found, label %fail, label %ports.check
ports.check:
  call void @adze.exprs(ptr %symbols, ptr %exprs)
  %ports.at = getelementptr %call, ptr %call, i32 0, i32 3
  %ports = load ptr, ptr %ports.at
  %ports.code = call i32 @adze.check_ports(ptr %ports, ptr %exprs)
  %ports.bad = icmp ne i32 %ports.code, 0
  br i1 %ports.bad, label %fail, label %scratch.check
fail:
  %code = phi i32 [ %found, %find ], [ %ports.code, %ports.check ]
  ret i32 %code
scratch.check:
  %i = load i32, ptr %index
  %variant = getelementptr %variant, ptr @adze.variants, i32 %i
  %scratch.fits = call i1 @adze.scratch_ok(ptr %variant, ptr %call, i32 %workers)
  br i1 %scratch.fits, label %weights.check, label %bad_scratch
weights.check:
  %given.at = getelementptr %call, ptr %call, i32 0, i32 6
  %given = load ptr, ptr %given.at
  %weights = call ptr @adze.find_weights(ptr %given)
  %no.weights = icmp eq ptr %weights, null
  br i1 %no.weights, label %wrong_weights, label %go
go:
  %scratch.at = getelementptr %call, ptr %call, i32 0, i32 4
  %scratch = load ptr, ptr %scratch.at
  call void @adze.walk(ptr %variant, ptr %ports, ptr %scratch, ptr %weights, ptr %exec, ptr %exprs)
  ret i32 0
wrong_abi:
  ret i32 1
bad_argument:
  ret i32 3
bad_scratch:
  ret i32 5
wrong_weights:
  ret i32 6
}

; Memory functions, 16 bytes at a time. LLVM calls them by these names whether or not the module has them.

define hidden ptr @memset(ptr %to, i32 %byte, %usize %size) #0 {
entry:
  %n = call i64 @adze.usize(%usize %size)
  %b = trunc i32 %byte to i8
  %one = insertelement <16 x i8> poison, i8 %b, i32 0
  %all = shufflevector <16 x i8> %one, <16 x i8> poison, <16 x i32> zeroinitializer
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %next = add i64 %i, 16
  %fits = icmp ule i64 %next, %n
  br i1 %fits, label %body, label %tail
body:
  %at = getelementptr i8, ptr %to, i64 %i
  store <16 x i8> %all, ptr %at, align 1
  br label %head
tail:
  %j = phi i64 [ %i, %head ], [ %j.next, %tail.body ]
  %done = icmp eq i64 %j, %n
  br i1 %done, label %end, label %tail.body
tail.body:
  %j.at = getelementptr i8, ptr %to, i64 %j
  store i8 %b, ptr %j.at
  %j.next = add i64 %j, 1
  br label %tail
end:
  ret ptr %to
}

define hidden ptr @memcpy(ptr %to, ptr %from, %usize %size) #0 {
entry:
  %n = call i64 @adze.usize(%usize %size)
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %next = add i64 %i, 16
  %fits = icmp ule i64 %next, %n
  br i1 %fits, label %body, label %tail
body:
  %a = getelementptr i8, ptr %from, i64 %i
  %v = load <16 x i8>, ptr %a, align 1
  %b = getelementptr i8, ptr %to, i64 %i
  store <16 x i8> %v, ptr %b, align 1
  br label %head
tail:
  %j = phi i64 [ %i, %head ], [ %j.next, %tail.body ]
  %done = icmp eq i64 %j, %n
  br i1 %done, label %end, label %tail.body
tail.body:
  %c = getelementptr i8, ptr %from, i64 %j
  %w = load i8, ptr %c
  %d = getelementptr i8, ptr %to, i64 %j
  store i8 %w, ptr %d
  %j.next = add i64 %j, 1
  br label %tail
end:
  ret ptr %to
}

; Upwards unless the destination begins inside the source; each step loads before it stores.
define hidden ptr @memmove(ptr %to, ptr %from, %usize %size) #0 {
entry:
  %n = call i64 @adze.usize(%usize %size)
  %to.address = ptrtoint ptr %to to i64
  %from.address = ptrtoint ptr %from to i64
  %distance = sub i64 %to.address, %from.address
  %apart = icmp uge i64 %distance, %n
  br i1 %apart, label %up, label %head
up:
  %copied = call ptr @memcpy(ptr %to, ptr %from, %usize %size)
  ret ptr %to
head:
  %i = phi i64 [ %n, %entry ], [ %next, %body ]
  %fits = icmp uge i64 %i, 16
  br i1 %fits, label %body, label %tail
body:
  %next = sub i64 %i, 16
  %a = getelementptr i8, ptr %from, i64 %next
  %v = load <16 x i8>, ptr %a, align 1
  %b = getelementptr i8, ptr %to, i64 %next
  store <16 x i8> %v, ptr %b, align 1
  br label %head
tail:
  %j = phi i64 [ %i, %head ], [ %j.next, %tail.body ]
  %done = icmp eq i64 %j, 0
  br i1 %done, label %end, label %tail.body
tail.body:
  %j.next = sub i64 %j, 1
  %c = getelementptr i8, ptr %from, i64 %j.next
  %w = load i8, ptr %c
  %d = getelementptr i8, ptr %to, i64 %j.next
  store i8 %w, ptr %d
  br label %tail
end:
  ret ptr %to
}

attributes #0 = { "no-builtins" }
