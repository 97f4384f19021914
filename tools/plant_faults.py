"""Plants faults in a copy of the sources, one at a time, and counts how many the random graphs find.

    build/venv/bin/python -m tools.plant_faults [--only NAME] [--count 200]

Each fault replaces one piece of text by another; a piece that is no longer there, or not once, ends the program:
then the fault has to be planted anew. The copy lies under build/faults and is built incrementally. Not part of the
suite, since it takes a quarter of an hour; docs/testing.md has the last result.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
WANTED = 15  # of 20


class Fault(NamedTuple):
    name: str
    file: str
    old: str
    new: str


FAULTS = [
    Fault(
        "reduction loses the last element of its tail",
        "codegen/emit_reduce.c",
        "unsigned left = (unsigned)(r->inner % r->line.lanes);",
        "unsigned left = (unsigned)(r->inner % r->line.lanes) - (r->inner % r->line.lanes > 1);",
    ),
    Fault(
        "last panel stores one lane too many",
        "codegen/gemm/nest.c",
        "active = rest - (vectors - 1) * g->lanes;",
        "active = rest - (vectors - 1) * g->lanes + (rest % g->lanes ? 1 : 0);",
    ),
    Fault(
        "wrong stride of gathered rows",
        "codegen/copy.c",
        "v = simd_gather(b, elems(w, lanes), base, simd_iota(i64s, 0, stride), NULL);",
        "v = simd_gather(b, elems(w, lanes), base, simd_iota(i64s, 0, stride - 1), NULL);",
    ),
    Fault(
        "dropped bias",
        "codegen/gemm/emit.c",
        'sums = LLVMBuildFAdd(g->b, sums, bias, "");',
        "(void)bias;",
    ),
    Fault(
        "results stored over operands",
        "passes/plan_memory.c",
        "bool together = placed[k]->from <= lives[i].to && lives[i].from <= placed[k]->to;",
        "bool together = placed[k]->from < lives[i].to && lives[i].from < placed[k]->to;",
    ),
    Fault(
        "life of a value ends before its views are read",
        "passes/plan_memory.c",
        "if (op->operand[k].i) p->to[p->root_of[op->operand[k].i].i] = i;",
        "if (op->operand[k].i) p->to[op->operand[k].i] = i;",
    ),
    Fault(
        "convolution reads one row below the image",
        "codegen/gemm/nest.c",
        "gen_add(g, top, gen_i64(g, r->extent - 1))",
        "gen_add(g, top, gen_i64(g, r->extent))",
    ),
    Fault(
        "convolution reads one column right of the image",
        "codegen/gemm/partition.c",
        "if (x < 0 || x >= extent) bits |= 1u << p;",
        "if (x < 0 || x > extent) bits |= 1u << p;",
    ),
    Fault(
        "mask of attention does not broadcast",
        "codegen/gemm/emit_attention.c",
        "p->mask_stride[i] = extent == 1 ? 0 : step;",
        "p->mask_stride[i] = step;",
    ),
    Fault(
        "wrong stride of an operand that broadcasts",
        "codegen/access.c",
        "if (a->logical[at->dim - missing] == 1 && frame->logical[at->dim] != 1) return true;",
        "",
    ),
    Fault(
        "lane mask with one lane too many",
        "codegen/gemm/gen.c",
        "for (uint32_t i = 0; i < g->lanes; i++) bit[i] = LLVMConstInt(g->i1, i < active, false);",
        "for (uint32_t i = 0; i < g->lanes; i++) bit[i] = LLVMConstInt(g->i1, i <= active, false);",
    ),
    Fault(
        "clip ignores its upper bound",
        "codegen/point.c",
        "return high == INFINITY ? y : simd_at_most(builder(p), y, high);",
        "return y;",
    ),
    Fault(
        "last row of tiles is not computed",
        "codegen/gemm/nest.c",
        "box(g, row_box, n->item_rows, n->rows, &at.row_lo, &at.row_hi);",
        "box(g, row_box, n->item_rows, n->rows - (n->rows > 4), &at.row_lo, &at.row_hi);",
    ),
    Fault(
        "padded lanes are not cleared",
        "codegen/gemm/nest.c",
        "if (n->out_padded) sums = gen_clear_lanes(g, sums, at->active);",
        "",
    ),
    Fault(
        "transpose by the inverse permutation",
        "codegen/emit_movement.c",
        "for (uint32_t k = 0; k < rank; k++) add_dim(&box, y[k], to[k], from[count ? perm[k] : rank - 1 - k]);",
        "for (uint32_t k = 0; k < rank; k++) {\n"
        "        uint32_t at = 0;\n"
        "        while (count && perm[at] != k) at++;\n"
        "        add_dim(&box, y[k], to[k], from[count ? at : rank - 1 - k]);\n"
        "    }",
    ),
    Fault(
        "mean divides by one too many",
        "codegen/emit_reduce.c",
        "simd_f(type, (double)r->count)",
        "simd_f(type, (double)(r->count + (r->count > 4)))",
    ),
    Fault(
        "softmax of a tail counts lanes that are not there",
        "codegen/emit_normalization.c",
        "n->line.active = (unsigned)(pass == 0 ? lanes : left);",
        "n->line.active = (unsigned)(pass == 0 ? lanes : left - (left > 2));",
    ),
    Fault(
        "negative indices count from the last but one",
        "codegen/emit_lookup.c",
        "int64(e, l->extent), \"\");",
        "int64(e, l->extent - 1), \"\");",
    ),
    Fault(
        "rest of a split copy starts at the wrong element",
        "codegen/copy.c",
        "rest.from_offset += count * extent * whole.from;",
        "rest.from_offset += count * extent * whole.to;",
    ),
    Fault(
        "batch norm is folded without its epsilon",
        "passes/fold_batchnorm.c",
        "sqrt(tensor_get_f64(p[3], c) + op_float(op, ATTR_epsilon))",
        "sqrt(tensor_get_f64(p[3], c))",
    ),
]


def sources():
    """Files of the tree that git knows, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def copy_sources(copy):
    """Brings the copy up to date; unchanged files keep their time, so that they are not built again."""
    for name in sources():
        to = copy / name
        if to.exists() and to.read_bytes() == (ROOT / name).read_bytes():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to)


def build(copy):
    if not (copy / "build" / "build.ninja").exists():
        subprocess.run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["ninja", "-C", "build", "test-fuzz-graphs"], cwd=copy, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout)


def run_graphs(copy, count):
    """The line that tells of the first failure; None if all graphs agree."""
    program = copy / "build" / "bin" / "fuzz" / "graphs"
    command = [program, "--seed=1", f"--count={count}", "--max-failures=1"]
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        return None
    return re.sub(r"\s+", " ", done.stdout.splitlines()[0] if done.stdout else done.stderr)[:120]


def planted(copy, fault):
    path = copy / fault.file
    text = path.read_text()
    if text.count(fault.old) != 1:
        sys.exit(f"{fault.name}: {fault.file} has the text to replace {text.count(fault.old)} times, expected once")
    path.write_text(text.replace(fault.old, fault.new))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="graphs for each fault (default: 200)")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--check", action="store_true", help="only check that every fault can be planted")
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in fault.name]
    copy = ROOT / "build" / "faults"
    copy_sources(copy)
    for fault in chosen:
        planted(copy, fault)
        copy_sources(copy)
    if arguments.check:
        return 0
    build(copy)
    wrong = run_graphs(copy, min(arguments.count, 20))
    if wrong:
        sys.exit(f"without a fault: {wrong}")
    found = 0
    for fault in chosen:
        started = time.monotonic()
        planted(copy, fault)
        build(copy)
        what = run_graphs(copy, arguments.count)
        copy_sources(copy)
        found += what is not None
        print(f"{'found ' if what else 'MISSED'} {fault.name} ({time.monotonic() - started:.0f} s): {what or ''}", flush=True)
    print(f"{found} of {len(chosen)} faults found")
    return 0 if found * 20 >= WANTED * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
