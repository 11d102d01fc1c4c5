"""Splits a table of images by its labels: every N-th label is for calibration, the others are held out.

    tests/oracle/split_table.py test.tsv --every 5      # writes calibration.tsv and heldout.tsv beside it

Checks what it wrote: no row is in both, none is lost, no image file is named twice.
"""
import argparse
import csv
import pathlib


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return rows[0], rows[1:]


def write(path, header, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in [header, *rows]:
            file.write("\t".join(row) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=5)
    arguments = parser.parse_args()

    header, rows = read(arguments.table)
    label = header.index("label")
    image = header.index("image")
    chosen = [row for row in rows if int(row[label]) % arguments.every == 0]
    others = [row for row in rows if int(row[label]) % arguments.every != 0]
    write(arguments.table.with_name("calibration.tsv"), header, chosen)
    write(arguments.table.with_name("heldout.tsv"), header, others)

    calibration = {row[image] for row in read(arguments.table.with_name("calibration.tsv"))[1]}
    heldout = {row[image] for row in read(arguments.table.with_name("heldout.tsv"))[1]}
    assert not calibration & heldout, "an image is in both parts"
    assert len(calibration) + len(heldout) == len(rows), "rows were lost or repeat an image"
    print(f"{len(calibration)} rows to calibrate with, {len(heldout)} held out")


if __name__ == "__main__":
    main()
