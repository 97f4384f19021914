"""What `./dev` calls. The data makers of real tasks live in test/models, and are imported from here like the rest."""

import pathlib

__path__.append(str(pathlib.Path(__file__).resolve().parent.parent / "test" / "models"))
