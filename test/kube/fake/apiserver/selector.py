"""Label and field selectors, as far as node agents use them: KEY, !KEY, KEY=VALUE, KEY!=VALUE, joined by commas."""


def field_of(made, path):
    value = made
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def label_of(made, key):
    return made["metadata"].get("labels", {}).get(key)


def holds(term, value_of):
    if "!=" in term:
        key, value = term.split("!=")
        return value_of(key) != value
    if "=" in term:
        key, value = term.replace("==", "=").split("=")
        return value_of(key) == value
    if term.startswith("!"):
        return value_of(term[1:]) is None
    return value_of(term) is not None


def selects(query, made):
    labels = query.get("labelSelector", "")
    fields = query.get("fieldSelector", "")
    return (all(holds(term, lambda key: label_of(made, key)) for term in labels.split(",") if term)
            and all(holds(term, lambda path: field_of(made, path)) for term in fields.split(",") if term))
