# SPDX-License-Identifier: GPL-2.0-only
"""What the suites saw on a kernel, and what they must see.

Results of a kernel are files whose names begin with a common path: PATH.json is
kunit.py's, which knows what became of each case, and PATH.log is the console,
where a case that looks for a bug of the kernel says whether it saw it ("stlb:
SUITE.CASE: stale: what was seen"). Results of further boots are in PATH-SUITE, and
of cases that may hang the kernel in PATH-hang-SUITE.CASE. What QEMU's SMMUv3 has
traced while a device did DMA is in PATH-SUITE.trace.
"""
import collections
import configparser
import glob
import json
import os
import re
import sys

CALLS = re.compile(r'stlb: (\w+)\.(\w+): calls: (.*)')
# Mistakes of a kernel that cases look for, by their key in the list of cases.
MISTAKES = {'upgrade': 'stale', 'hang': 'hang', 'stuck': 'stuck', 'freed': 'freed',
            'excess': 'excess'}
# What the series leaves alone, and what does not apply to a base.
SAME = {'stays': 'excess', 'skipped': 'SKIP'}
VERDICT = re.compile(r'stlb: (\w+)\.(\w+): (stale|hang|stuck|freed|excess|coherent|'
                     r'broken): (.*)')
PANIC = re.compile(r'Kernel panic - not syncing: .*|Unable to handle kernel .*')
SPLAT = re.compile(r'WARNING: .*|BUG: .*|BUG \S+ \(.*|Internal error: .*|'
                   r'.*possible .*(?:deadlock|locking|recursive).*|UBSAN: .*|'
                   r'INFO: (?:.* blocked|.*detected.* stall|possible|trying to reg).*|'
                   r'.*\bbad (?:pgd|p4d|pud|pmd) .*|'
                   r'.*CMD_SYNC timeout.*|.*CMDQ timeout.*')
# QEMU's words: an event that was recorded, a command that was consumed.
TRACE = re.compile(r'^smmuv3_(?:record_event|cmdq_opcode <---) (\w+)', re.M)
REFUSED = 'SMMU_EVT_F_PERMISSION'
SHOWN = {'coherent': 'ok', 'pass': 'ok'}
COLOUR = {'coherent': '32', 'pass': '32'} | dict.fromkeys(MISTAKES.values(), '31')


class Run:
    """One kernel: status and verdict by (suite, case), over all its boots, or in
    one of them, which may have been made for one case."""

    def __init__(self, path, one_boot=False, case=None):
        self.log = path + '.log'
        self.status, self.verdict, self.calls, self.where = {}, {}, {}, {}
        self.splats = []
        self.trace = collections.Counter()
        self.boot(path, case)
        if one_boot:
            return
        for own in sorted(glob.glob(glob.escape(path) + '-*.json')):
            own = own.removesuffix('.json')
            case = own.rpartition('-hang-')
            self.boot(own, tuple(case[2].split('.')) if case[1] else None)

    def boot(self, path, alone):
        """Read the results of a boot, for the one case that it was made for."""
        with open(path + '.json', encoding='utf-8') as f:
            for suite in json.load(f)['sub_groups']:
                for case in suite['test_cases']:
                    key = suite['name'], case['name']
                    if alone in (None, key):
                        self.status[key] = case['status']
                        self.where[key] = path + '.log'
        with open(path + '.log', encoding='utf-8', errors='replace') as f:
            log = f.read()
        self.verdict |= {(m[1], m[2]): m[3] for m in VERDICT.finditer(log)}
        for m in CALLS.finditer(log):
            self.calls.setdefault((m[1], m[2]), []).append(m[3].strip())
        if os.path.exists(path + '.trace'):
            with open(path + '.trace', encoding='utf-8') as f:
                self.trace.update(m[1] for m in TRACE.finditer(f.read()))
        splat = PANIC.search(log) or SPLAT.search(log)
        # Of a call that never returns more may be said than that it does not.
        hangs = self.verdict.get(alone) == 'hang' and not PANIC.search(log)
        if splat and not hangs:
            self.splats.append(f'{splat[0].strip()}: {path}.log')
        # The machine did not come to its end: KUnit cannot have said why.
        if alone and not splat and 'reboot:' not in log:
            self.status[alone], self.verdict[alone] = 'FAIL', 'hang'
            self.where[alone] = path + '.log'

    def saw(self, key, mistake):
        """What a case saw, in a word; mistake is the one it looks for, or None."""
        status = self.status.get(key, 'missing')
        if not mistake:
            return {'PASS': 'pass', 'FAIL': 'FAILED'}.get(status, status)
        verdict = self.verdict.get(key, 'broken')
        if (status, verdict) in (('FAIL', mistake), ('PASS', 'coherent')):
            return verdict
        if status in ('PASS', 'FAIL'):
            return 'broken'
        return status


class Expected:
    """What a base must show: devices, scenarios, and cases of suites by key."""

    def __init__(self, path):
        ini = configparser.ConfigParser()
        with open(path, encoding='utf-8') as f:
            ini.read_file(f)
        self.devices = ini['scenarios']['devices'].split()
        self.scenarios = ini['scenarios']['upgrade'].split()
        suites = [s for s in ini.sections() if s != 'scenarios']
        for suite in suites:
            for key in set(ini[suite]) - {'hold'} - set(SAME) - set(MISTAKES):
                sys.exit(f'error: {path}: "{key}" of {suite} is not a kind of '
                         f'case: use hold, {", ".join([*SAME, *MISTAKES])}')
        self.mistakes = [(s, c, MISTAKES[k]) for s in suites for k in MISTAKES
                         for c in ini[s].get(k, '').split()]
        self.same = [(s, c, SAME[k]) for s in suites for k in SAME
                     for c in ini[s].get(k, '').split()]
        self.others = {s: ini[s].get('hold', '').split() for s in suites}

    def own_boot(self):
        """The cases that may hang a kernel, and those beside them in their suites."""
        suites = {s for s, _, mistake in self.mistakes if mistake == 'hang'}
        return ([f'{s}.{c}' for s, c, mistake in self.mistakes if mistake == 'hang'] +
                [f'{s}.{c}' for s, c, _ in self.same if s in suites] +
                [f'{s}.{c}' for s in sorted(suites) for c in self.others.get(s, [])])

    def cases(self):
        """The mistake that each case looks for, or None, by (suite, case), but for
        those that see the same on both kernels."""
        return ({(d, s): 'stale' for d in self.devices for s in self.scenarios} |
                {(s, c): mistake for s, c, mistake in self.mistakes} |
                {(s, c): None for s in self.others for c in self.others[s]})


def short(suite):
    """A suite's name without what it has in common with others."""
    suite = suite.removeprefix('secondary_tlb_').removesuffix('_sva')
    return 'edu' if suite == 'smmuv3_edu' else suite


def paint(word, width):
    """A word in its colour, if somebody is looking."""
    text = SHOWN.get(word, word).ljust(width)
    if not sys.stdout.isatty():
        return text
    return f'\033[{COLOUR.get(word, "33")}m{text}\033[0m'


def conclude(good, bad, tally):
    """Say what is bad, leave the count in the file tally, if any: the exit status."""
    print()
    for line in bad[:12]:
        print(f'error: {line}', file=sys.stderr)
    if len(bad) > 12:
        print(f'error: and {len(bad) - 12} more', file=sys.stderr)
    if tally:
        with open(tally, 'w', encoding='utf-8') as f:
            f.write(f'{good} passed {len(bad)} failed\n')
    return 1 if bad else 0
