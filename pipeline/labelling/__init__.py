"""Making labelled sets: checking and counting them, and the way to an annotation tool and back."""
