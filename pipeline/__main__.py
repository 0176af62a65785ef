"""`python -m pipeline` is the console script `parley`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
