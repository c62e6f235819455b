"""The parts of documents that tests/chart.sh --write makes. Each stands between two comments that name it."""


def part(path, name, text, write):
    """Whether the part of this name is the text. `write`: it is made so."""
    begin, end = f"<!-- {name}: made by tests/chart.sh --write -->", f"<!-- end of {name} -->"
    document = path.read_text()
    start, stop = document.index(begin) + len(begin), document.index(end)
    made = f"{document[:start]}\n{text}\n{document[stop:]}"
    if write:
        path.write_text(made)
    return write or made == document
