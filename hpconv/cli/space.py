"""``hpconv space``: the search space as a table."""

import json

from hpconv.cli.options import AsJson, Sizes, sizes


def space(
    json_: AsJson = False, output_sizes: Sizes = "32,64", max_layer_sizes: Sizes = "64,128"
) -> None:
    """List the hyperparameters with their distributions and when they are active."""
    from hpconv.model import space_table
    from hpconv.model.space import search_space

    bounds = (sizes(output_sizes, "--output-sizes"), sizes(max_layer_sizes, "--max-layer-sizes"))
    table = space_table.table(search_space(*bounds))
    if json_:
        print(json.dumps(table, indent=2))
        return
    for row in table:
        arguments = ", ".join([*map(str, row["args"]), *(f"{k}={v}" for k, v in row["kw"].items())])
        when = " and ".join(f"{label} in {options}" for label, options in row["condition"].items())
        print(f"{row['label']:26}{row['dist']}({arguments})  {when}")
