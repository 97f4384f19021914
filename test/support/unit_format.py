"""A lit format for the C programs under test/unit: unit/x/y.c is the program build/bin/unit/x/y; exit status 0 passes."""

import os
import pathlib

import lit.Test
import lit.formats.base
import lit.util


class UnitProgram(lit.formats.base.FileBasedTest):
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def execute(self, test, lit_config):
        program = self.directory.joinpath(*test.path_in_suite[1:]).with_suffix("")
        if not os.access(program, os.X_OK):
            return lit.Test.FAIL, f"not built: {program}"
        try:
            out, err, status = lit.util.executeCommand(
                [str(program)], env=test.config.environment, timeout=lit_config.maxIndividualTestTime or 0
            )
        except lit.util.ExecuteCommandTimeoutException:
            return lit.Test.TIMEOUT, f"{program} took longer than {lit_config.maxIndividualTestTime} s"
        if status != 0:
            return lit.Test.FAIL, f"{program}: exit status {status}\n{out}{err}"
        return lit.Test.PASS, ""
