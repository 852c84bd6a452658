"""Parse the command line; everything heavy is imported by the sub-command that needs it.

Exit codes: 0 done, 1 failed with one sentence on standard error, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
from importlib.metadata import version


def _add_data(parser, positional):
    name = "data" if positional else "--data"
    parser.add_argument(
        name, metavar="DATA", help="folder with one sub-folder a class, or a CSV/Parquet catalogue"
    )
    _add_catalogue(parser).add_argument("--label-column", help="column of labels")


def _add_catalogue(parser):
    catalogue = parser.add_argument_group("for a catalogue")
    catalogue.add_argument("--image-dir", help="folder that file names start from")
    catalogue.add_argument("--file-column", help="column of file names")
    catalogue.add_argument("--id-column", help="column of identifiers: the file is <id>.jpg")
    return catalogue


def _share(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {text}")
    return value


def _port(text):
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, got {text}")
    return int(text)


def _add_threshold(parser):
    parser.add_argument(
        "--threshold",
        type=_share,
        default=0.6,
        help="review below this confidence, 0 to 1 (default: %(default)s)",
    )


def _add_model(parser):
    parser.add_argument("model", help="file saved by train or demo; open only what you trust")


def _add_training(parser):
    parser.add_argument("--network", default="galaxynet", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, help="default: chosen from the number of images")
    parser.add_argument("--crop", type=int, help="central pixels to keep (default: all)")
    parser.add_argument(
        "--resize",
        type=int,
        help="side after that, in pixels (default: 128; of the demo's own galaxies 64)",
    )
    parser.add_argument(
        "--test-size", type=float, default=0.2, help="share held out (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def _add_demo(commands, common):
    demo = commands.add_parser(
        "demo", parents=[common], help="train on generated galaxies, or on your own, and show all"
    )
    _add_data(demo, positional=False)
    _add_training(demo)
    demo.add_argument("--output", default="galaxy-sklearn-demo", help="default: %(default)s")
    demo.add_argument("--quick", action="store_true", help="a short form, in seconds")


def _add_train(commands, common):
    train = commands.add_parser("train", parents=[common], help="train a model and save it")
    _add_data(train, positional=True)
    _add_training(train)
    train.add_argument(
        "--output",
        default="model.joblib",
        help="default: %(default)s; decoded images are kept beside it, in the folder "
        "<output>.cache, for the next training on them: delete it at will",
    )


def _add_predict(commands, common):
    predict = commands.add_parser("predict", parents=[common], help="write a table of predictions")
    _add_model(predict)
    predict.add_argument(
        "images", nargs="+", help="image files, and folders of them, or one catalogue"
    )
    _add_catalogue(predict)
    predict.add_argument(
        "--output", default="predictions.csv", help=".csv or .parquet (default: %(default)s)"
    )
    _add_threshold(predict)
    predict.add_argument("--restart", action="store_true", help="forget an interrupted run")


def _add_evaluate(commands, common):
    evaluate = commands.add_parser(
        "evaluate", parents=[common], help="measure a saved model on labelled images"
    )
    _add_model(evaluate)
    _add_data(evaluate, positional=True)


def _add_page(commands, on_device):
    page = commands.add_parser(
        "page", parents=[on_device], help="show a page that classifies the images dropped on it"
    )
    _add_model(page)
    _add_threshold(page)
    page.add_argument("--port", type=_port, default=8501, help="default: %(default)s")
    page.add_argument(
        "--address",
        default="localhost",
        help="where to listen (default: %(default)s, this machine alone; 0.0.0.0 is the network)",
    )
    page.add_argument("--no-browser", action="store_true", help="open no browser")


def build_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="galaxy-sklearn", description="Tell galaxies apart by their shape."
    )
    parser.add_argument(
        "--version", action="version", version=f"galaxy-sklearn {version('galaxy_sklearn')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    on_device = argparse.ArgumentParser(add_help=False)
    on_device.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    common = argparse.ArgumentParser(add_help=False, parents=[on_device])
    common.add_argument("--no-progress", action="store_true", help="show no progress bars")
    _add_demo(commands, common)
    _add_train(commands, common)
    _add_predict(commands, common)
    _add_evaluate(commands, common)
    _add_page(commands, on_device)
    return parser


def main(argv=None):
    """Run the command; return its exit code."""
    options = build_parser().parse_args(argv)
    try:
        from galaxy_sklearn.app import commands

        getattr(commands, options.command)(options)
    except KeyboardInterrupt:
        print("galaxy-sklearn: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        said = " ".join([str(error), *getattr(error, "__notes__", [])])
        print(f"galaxy-sklearn {options.command}: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
