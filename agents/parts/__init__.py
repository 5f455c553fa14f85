"""What tasks are made of: fields of a brief, checks, parts of a result and how they are shown. One file per part."""
